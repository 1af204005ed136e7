"""What every public call shares: errors at the caller's line, and progress."""
