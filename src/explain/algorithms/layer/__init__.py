"""Methods that explain the units of a layer."""
