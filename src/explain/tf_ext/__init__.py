"""The TensorFlow extension; it has the same structure as the PyTorch extension."""
