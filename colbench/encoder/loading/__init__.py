"""From the name of a model to one in memory: hub or folder, weights, updates, modules, lengths."""
