"""The embeddings of a model: which of them read token ids or columns, and their vectors in place of these."""
