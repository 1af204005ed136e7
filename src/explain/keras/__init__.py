"""Reading and calling Keras models, whichever framework Keras runs on; Keras is not imported."""
