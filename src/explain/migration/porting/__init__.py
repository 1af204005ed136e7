"""Weights carried from one model to another, all of them or none."""
