"""How a migration report is shown: as text, as a chart, as a page."""
