"""The layers of a PyTorch model while it runs, and the operations between them."""
