"""Spatial against adversarial robustness: what one costs in the other."""
