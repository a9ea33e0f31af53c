"""The versions of what runs an attack, as cells store them."""

from __future__ import annotations

import importlib.metadata

from bench.attacks.table import OWN

# of our own attacks: raised whenever their numbers change
OWN_VERSION = 1
OWN_VERSIONS = {"square": 2, "autoattack": 2}  # those of single attacks that have changed since
_PACKAGES = {"art": "adversarial-robustness-toolbox"}


def library_version(library: str, attack: str = "") -> str:
    """``name==version`` of what runs an attack; our own attacks have versions of their own."""
    if library == OWN:
        return f"{OWN}==1"  # how they are called; the digest of their code is a parameter
    if library == "symbench":
        return f"symbench==attacks-{OWN_VERSIONS.get(attack, OWN_VERSION)}"
    return f"{library}=={importlib.metadata.version(_PACKAGES.get(library, library))}"
