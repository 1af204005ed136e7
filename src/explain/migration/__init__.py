"""Whether a model that was moved still gives the same outputs for the same reasons."""
