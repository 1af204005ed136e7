"""The parameters of Keras layers, whichever framework Keras runs on: read, write, settings, order of use."""
