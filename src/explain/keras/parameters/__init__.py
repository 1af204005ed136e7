"""The parameters of Keras layers in either framework: read them, write them, find settings, record their use."""
