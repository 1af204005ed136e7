"""Randomization: whether the map depends on the weights and on the target at all."""
