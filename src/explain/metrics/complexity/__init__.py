"""Complexity: on how much of the input a map lies."""
