"""The layers of a model that hold parameters, in axes that belong to no framework."""
