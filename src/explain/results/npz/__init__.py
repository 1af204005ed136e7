"""Files of results: ``.npz`` archives of arrays and one JSON header, without pickle."""
