"""Maximum invariant perturbation: how many random pixel values can be removed before the class changes.

The metric of Figure 5 of "Bridging Symmetry and Robustness" (arXiv 2510.16171), as a distribution over many
images and many random orders. The removal is random and not adversarial: it says nothing about the worst case.
"""
