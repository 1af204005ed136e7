"""The parameters of a TensorFlow model's layers: read them, write them, and record how the model uses them."""
