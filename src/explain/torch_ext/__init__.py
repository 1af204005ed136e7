"""The PyTorch extension; mirrors the TensorFlow extension file for file."""
