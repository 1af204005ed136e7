"""Methods that change parts of the input and compare scores."""
