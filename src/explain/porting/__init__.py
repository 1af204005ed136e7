"""Weights from one model to another of the same architecture, in whichever framework."""
