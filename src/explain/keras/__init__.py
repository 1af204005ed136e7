"""Reads and calls Keras models, whichever framework Keras runs on; does not import Keras."""
