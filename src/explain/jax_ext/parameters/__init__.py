"""The parameters of a Keras model on JAX: read them, write them, and record how the model uses them."""
