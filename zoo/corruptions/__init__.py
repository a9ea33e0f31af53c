"""Common corruptions of any image set, by maintained libraries; docs/corruptions.md lists them."""

from __future__ import annotations

from zoo.corruptions.constants import SIDES, constants_of
from zoo.corruptions.pixels import CorruptedPixels, chosen_names, digest, split_spec
from zoo.corruptions.recipe import CORRUPTIONS, VERSION, Corruption, corrupted, made

__all__ = [
    "CORRUPTIONS",
    "SIDES",
    "VERSION",
    "CorruptedPixels",
    "Corruption",
    "chosen_names",
    "constants_of",
    "corrupted",
    "digest",
    "made",
    "split_spec",
]
