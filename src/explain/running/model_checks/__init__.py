"""Checks of a model on the examples of a call: whether it is deterministic, whether examples depend on each other."""
