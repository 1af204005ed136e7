"""Regression tests of explanations: golden files, the checks against them, and the pytest plugin."""
