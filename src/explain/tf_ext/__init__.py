"""The TensorFlow extension; mirrors the PyTorch extension file for file."""
