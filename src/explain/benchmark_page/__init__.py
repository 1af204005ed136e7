"""The page that compares all methods on models whose reasons are known: `explain benchmark --zoo`."""
