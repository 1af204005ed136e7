"""Graphs of operations, the same in every framework: which depend on an input, and which have backward rules."""
