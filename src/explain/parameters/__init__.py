"""The layers of a model that hold parameters, in canonical axes."""
