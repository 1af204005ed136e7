"""Running a Keras model, or a function, whichever framework Keras runs on."""
