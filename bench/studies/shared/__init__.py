"""What all studies share: the request, the models that are opened for it, and runs of cells without attack curves."""
