"""One file for each kind of figure, and the choice between them."""
