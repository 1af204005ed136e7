"""Localization: whether the map lies where the object is known to be."""
