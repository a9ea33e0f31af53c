"""Shared parts of all studies: the request, opening its models, and runs of cells without attack curves."""
