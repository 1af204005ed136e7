"""Methods that search for an input that excites a score."""
