"""Where two models diverge first, and the likely cause."""
