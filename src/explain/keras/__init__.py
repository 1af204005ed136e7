"""What is known of Keras layers, whichever framework Keras runs on."""
