"""FGSM, PGD and other attacks over a grid of ε: robust accuracy."""
