"""Methods that take gradients at the input, or in its neighbourhood."""
