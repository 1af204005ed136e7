"""The affine prefix of a TensorFlow model, and gradients along paths that start where the prefix ends."""
