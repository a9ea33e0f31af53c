"""``bench audit``: checks whether a model's numbers may be believed."""
