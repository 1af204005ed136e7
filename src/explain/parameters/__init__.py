"""The layers of a model that have parameters, in canonical axes."""
