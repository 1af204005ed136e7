"""Backward passes of a TensorFlow model in which some operations propagate something else than their gradient."""
