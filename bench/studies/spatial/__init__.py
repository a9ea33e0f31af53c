"""Accuracy under rotations and translations: random ones, the worst of a grid, and the same turn for all images.

The transform is ``zoo.spatial.moved``, which trains too.
"""
