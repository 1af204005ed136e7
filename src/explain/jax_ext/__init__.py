"""JAX: the extension for Keras models where Keras runs on JAX, and for functions of JAX arrays."""
