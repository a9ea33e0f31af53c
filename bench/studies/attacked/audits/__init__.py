"""``bench audit``: may a model's numbers be believed?"""
