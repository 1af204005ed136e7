"""Methods that replace the gradient of some operations in the backward pass."""
