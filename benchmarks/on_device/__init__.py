"""What `benchmarks.cuda` checks and measures on a device."""
