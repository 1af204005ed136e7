"""The affine prefix of a PyTorch model, and gradients along paths from its end on."""
