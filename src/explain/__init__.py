"""One attribution interface over PyTorch and TensorFlow: same weights, same numbers, same picture."""
