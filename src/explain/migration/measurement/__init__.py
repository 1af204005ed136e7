"""Two models laid beside each other, layer by layer."""
