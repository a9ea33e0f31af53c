"""Detection of attacked images by layers that disagree, and an attack that knows the detector."""
