"""Backward passes of a PyTorch model in which some operations propagate another value than their gradient."""
