"""Detection of attacked images by disagreement between layers, and an attack that knows the detector."""
