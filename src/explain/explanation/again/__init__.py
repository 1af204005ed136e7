"""A call made again, from what its result records or from arguments as the caller gave them."""
