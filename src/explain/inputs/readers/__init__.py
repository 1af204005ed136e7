"""Files of the user's own, read safely: one file for each format, and limits before anything is decoded."""
