"""Backward passes of a PyTorch model in which some operations propagate something else than their gradient."""
