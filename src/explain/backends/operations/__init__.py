"""Graphs of operations, as every framework has them: what depends on an input, and what the rules ask of it."""
