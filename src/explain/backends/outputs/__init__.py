"""What of a model's output is explained: which of several outputs, and a callable target."""
