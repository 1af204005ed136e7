"""Methods that weight the map of a layer and bring it to the input's size."""
