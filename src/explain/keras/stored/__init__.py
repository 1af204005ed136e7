"""Models and weights in Keras files, for any framework that Keras runs on; runs no code of a file."""
