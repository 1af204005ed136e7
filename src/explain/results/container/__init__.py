"""An attribution as a container of examples: cut, compared with ==, read-only."""
