"""The outputs of layers as maps over the input: their axes, the grids of tokens, the default layer."""
