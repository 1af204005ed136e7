"""The layers of a model as a table, in one notation for every framework: `explain.layers`."""
