"""Runs of a TensorFlow model that are kept: recorded without a trace, or traced and copied into other traces."""
