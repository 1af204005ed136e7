"""Backward passes of a TensorFlow model in which some operations propagate another value than their gradient."""
