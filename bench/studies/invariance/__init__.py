"""Invariance attacks: images that seem to be of another class, by a proxy, while the model keeps its answer."""
