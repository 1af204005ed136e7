"""Explanations held still: golden files, what is checked against them, and the plugin that does it in pytest."""
