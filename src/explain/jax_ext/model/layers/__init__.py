"""The layers of a Keras model while it runs on JAX."""
