"""Strings as the input of a call: their tokens, whether the tokenizer fits the model, and the token to explain."""
