"""Faithfulness: whether the model depends on what the map says that it depends on."""
