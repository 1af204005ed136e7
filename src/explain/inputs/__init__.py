"""What a caller gives, checked and resolved: arrays, layout, target, baseline, mask, features, several inputs."""
