"""Straight paths: nodes and weights, and the sums of gradients along them."""
