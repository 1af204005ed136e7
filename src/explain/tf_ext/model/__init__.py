"""Runs a TensorFlow model: its structure, its state, its layers and its scores."""
