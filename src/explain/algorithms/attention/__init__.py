"""Methods that read the attentions of a model: how much each token takes from the others, layer after layer."""
