"""The layers of a Keras model while it runs, and the operations between them."""
