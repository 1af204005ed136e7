"""Text as an input: strings become token ids by the model's tokenizer, and tokens become words again."""
