"""Spatial against adversarial robustness: the cost of one in terms of the other."""
