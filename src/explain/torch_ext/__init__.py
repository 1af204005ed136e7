"""The PyTorch extension; it has the same structure as the TensorFlow extension."""
