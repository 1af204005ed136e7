"""Where two models part, and why."""
