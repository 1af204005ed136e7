"""What of a PyTorch model is affine in its input, and gradients along paths that begin where that ends."""
