"""Statistics: intervals, paired tests, groups of images, and how ε is written."""
