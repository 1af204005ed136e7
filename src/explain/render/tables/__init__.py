"""Of the tables of a figure: their columns, their features over many examples, the scores that they start from."""
