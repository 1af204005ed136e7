"""The names that callers and messages use: of classes, of near misses, of a value in few words."""
