"""Trains the seed models: batches, the loop, and a whole run from a data set to a weight file."""
