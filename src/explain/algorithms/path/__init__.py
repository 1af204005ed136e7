"""Methods that integrate gradients along a path to the input."""
