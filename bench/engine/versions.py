"""The installed versions of the packages that determine the numbers; imports none of them."""

from __future__ import annotations

import functools
import importlib.metadata

PACKAGES = (
    "torch",
    "torchvision",
    "torchattacks",
    "foolbox",
    "adversarial-robustness-toolbox",
    "numpy",
    "scipy",
    "symbench",
)


@functools.cache
def _versions() -> tuple[tuple[str, str], ...]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return tuple(sorted(found.items()))


def versions() -> dict[str, str]:
    """Installed versions of the packages that determine the numbers."""
    return dict(_versions())
