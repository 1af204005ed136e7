"""The affine prefix of a PyTorch model, and gradients along paths that start where the prefix ends."""
