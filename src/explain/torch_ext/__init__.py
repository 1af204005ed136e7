"""The PyTorch extension; it has the same files as the TensorFlow extension."""
