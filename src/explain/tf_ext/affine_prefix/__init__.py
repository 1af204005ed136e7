"""The affine prefix of a TensorFlow model, and gradients along paths from its end on."""
