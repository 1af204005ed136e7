"""A migration report shown: as text, as figures, as a page."""
