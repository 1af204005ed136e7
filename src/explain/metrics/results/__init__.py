"""What metrics measured, as plain data: of one attribution, and of several methods beside each other."""
