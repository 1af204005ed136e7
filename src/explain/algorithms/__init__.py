"""The methods, each written once over the primitives of a backend."""
