"""The parameters of a PyTorch model's layers: read, written, and how they are used."""
