"""How far apart two models are: in their outputs, classes, layers and attributions."""
