"""What a command is given: its options, and the models, inputs and values that they name."""
