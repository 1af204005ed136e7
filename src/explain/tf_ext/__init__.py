"""The TensorFlow extension; it has the same files as the PyTorch extension."""
