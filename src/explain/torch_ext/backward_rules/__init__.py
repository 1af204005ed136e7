"""Backward passes of a PyTorch model in which some operations hand on something else than their gradient."""
