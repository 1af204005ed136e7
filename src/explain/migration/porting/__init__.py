"""`explain.port`: copies the weights of one model into another, all of them or none."""
