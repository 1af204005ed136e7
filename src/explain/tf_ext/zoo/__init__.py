"""The models of the zoo in TensorFlow, and the training of the seed models."""
