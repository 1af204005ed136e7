"""Robustness: whether explanations of inputs that hardly differ hardly differ."""
