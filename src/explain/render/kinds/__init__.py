"""A figure for each kind of input."""
