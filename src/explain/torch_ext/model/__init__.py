"""A PyTorch model run: its structure, its state, its layers, its scores."""
