"""Metrics of explanations: which of them can be believed, and by what measure."""
