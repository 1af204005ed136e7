"""Runs a PyTorch model: its structure, its state, its layers and its scores."""
