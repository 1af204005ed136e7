"""The models of the zoo in PyTorch, and the training of the seed models."""
