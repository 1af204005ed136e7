"""The attribution methods, each written once on top of the primitives of a backend."""
