"""The parameters of a TensorFlow model's layers: read, written, and how they are used."""
