"""The pages of the gallery: the first page, a page for each model, and the table of parity, from results to HTML."""
