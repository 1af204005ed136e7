"""Results as plain data: attributions, comparisons, their heatmaps, and the names that pictures and tables share."""
