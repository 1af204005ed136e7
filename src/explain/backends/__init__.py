"""The narrow waist: what a framework must answer, and what every answer shares."""
