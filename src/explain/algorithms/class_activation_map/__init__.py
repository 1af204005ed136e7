"""Methods that weight the map of a layer and resample it to the input's size."""
