"""The caller's arguments, checked and resolved: arrays, layout, target, baseline, mask, features, several inputs."""
