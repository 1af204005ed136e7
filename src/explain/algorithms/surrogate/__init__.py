"""Methods that fit a linear model to the scores of coalitions of features."""
