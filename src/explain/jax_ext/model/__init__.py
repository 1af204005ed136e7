"""Runs a model on JAX: its forward pass, its traces, its layers and its state."""
