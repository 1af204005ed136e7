"""Backward passes of a TensorFlow model in which some operations hand on something else than their gradient."""
