"""The parameters of a PyTorch model's layers: read them, write them, and record how the model uses them."""
