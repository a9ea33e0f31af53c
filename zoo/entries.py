"""The names of models; loads no torch.

A name reads ``<architecture>[_4][.<recipe>[-best]][@<seed>]``: ten layers unless ``_4`` says four, recipe
``standard`` unless another is named, seed 0 unless another is given. ``-best`` names the weights of the epoch
that was best on held-out images; without it they are those of the last epoch.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from zoo.errors import UserError

ARCHITECTURES = (
    "baseline_cnn",
    "parallel_gcnn",
    "parallel_gcnn_rs",
    "parallel_gcnn_scale",
    "cascaded_gcnn",
    "weighted_gcnn_rs",
    "equivariant_gcnn",
)
RECIPES = (
    *("standard", "pgd_at", "fgsm_mix", "pgd_at_half", "pgd_at_quarter", "trades", "cusp", "ibp"),
    *("jsigr", "last", "afa"),
)
# besides these: images turned by up to ±θ degrees, alone or under adversarial training
ROTATED = r"rotate(?P<theta>180|1[0-7][0-9]|[1-9][0-9]?)(?:\+(?P<under>pgd_at(?:_half|_quarter)?))?"
NOISY = r"gauss(?P<sigma>[1-9][0-9]?)"  # Gaussian noise, its standard deviation in hundredths
OWN_RECIPE = r"[A-Za-z][A-Za-z0-9_+]*"  # allowed names of a user's own recipe


class UnknownModel(UserError, ValueError):
    """A name that no model of the zoo has; the message gives the nearest names."""


@dataclass(frozen=True)
class Entry:
    """One model: what is built (architecture, depth 10 or 4) and how it is trained (recipe, seed, which epoch).

    An architecture of one's own is called ``file:function``, and its depth is 0.
    """

    name: str
    architecture: str
    depth: int
    recipe: str
    seed: int = 0
    best: bool = False


ENTRIES: dict[str, Entry] = {
    each.name: each
    for each in (
        Entry("baseline_cnn", "baseline_cnn", 10, "standard"),
        Entry("parallel_gcnn", "parallel_gcnn", 10, "standard"),
        Entry("parallel_gcnn_rs", "parallel_gcnn_rs", 10, "standard"),
        Entry("parallel_gcnn_scale", "parallel_gcnn_scale", 10, "standard"),
        Entry("cascaded_gcnn", "cascaded_gcnn", 10, "standard"),
        Entry("weighted_gcnn_rs", "weighted_gcnn_rs", 10, "standard"),
        Entry("equivariant_gcnn", "equivariant_gcnn", 10, "standard"),
        Entry("baseline_cnn_4", "baseline_cnn", 4, "standard"),
        Entry("parallel_gcnn_4", "parallel_gcnn", 4, "standard"),
        Entry("parallel_gcnn_rs_4", "parallel_gcnn_rs", 4, "standard"),
        Entry("parallel_gcnn_scale_4", "parallel_gcnn_scale", 4, "standard"),
        Entry("cascaded_gcnn_4", "cascaded_gcnn", 4, "standard"),
        Entry("weighted_gcnn_rs_4", "weighted_gcnn_rs", 4, "standard"),
        Entry("equivariant_gcnn_4", "equivariant_gcnn", 4, "standard"),
        Entry("baseline_cnn.pgd_at", "baseline_cnn", 10, "pgd_at"),
        Entry("baseline_cnn_4.pgd_at", "baseline_cnn", 4, "pgd_at"),
        Entry("equivariant_gcnn.pgd_at", "equivariant_gcnn", 10, "pgd_at"),
        Entry("parallel_gcnn.fgsm_mix", "parallel_gcnn", 10, "fgsm_mix"),
    )
}

# (model, layers) as the tables of arXiv 2510.16171v3 name them; layers is None where the paper does not say.
PAPER_NAMES: dict[tuple[str, int | None], str] = {
    ("baseline_cnn", 10): "baseline_cnn",
    ("baseline_cnn", 4): "baseline_cnn_4",
    ("parallel_gcnn", 10): "parallel_gcnn",
    ("parallel_gcnn", 4): "parallel_gcnn_4",
    ("parallel_gcnn_rs", 10): "parallel_gcnn_rs",
    ("parallel_gcnn_rs", 4): "parallel_gcnn_rs_4",
    ("cascaded_gcnn", 10): "cascaded_gcnn",
    ("cascaded_gcnn", 4): "cascaded_gcnn_4",
    ("weighted_gcnn_rs", 10): "weighted_gcnn_rs",
    ("weighted_gcnn_rs", 4): "weighted_gcnn_rs_4",
    ("parallel_gcnn_rot", 10): "parallel_gcnn",
    ("parallel_gcnn_scale", 10): "parallel_gcnn_scale",
    ("fully_equivariant_gcnn", 10): "equivariant_gcnn",
    ("fully_equivariant_gcnn", 4): "equivariant_gcnn_4",
    ("cnn_pgd_at", None): "baseline_cnn.pgd_at",
}

_ARCHITECTURE = rf"(?P<architecture>{'|'.join(ARCHITECTURES)})(?P<four>_4)?"
_NAME = re.compile(rf"{_ARCHITECTURE}(?:\.(?P<recipe>{OWN_RECIPE})(?P<best>-best)?)?(?:@(?P<seed>[0-9]+))?")
_OWN = re.compile(
    rf"(?P<architecture>[^:]+:[A-Za-z_]\w*)\.(?P<recipe>{OWN_RECIPE})(?P<best>-best)?(?:@(?P<seed>[0-9]+))?"
)
_RECIPE = re.compile(rf"{'|'.join(RECIPES)}|{ROTATED}|{NOISY}")


def entry(name: str) -> Entry:
    """The entry of that name, its own name in the shortest form (``a.standard@0`` is ``a``).

    Raises:
        UnknownModel: no architecture, depth, recipe and seed are named so.
    """
    found = parsed(name)
    if not _RECIPE.fullmatch(found.recipe):
        raise _unknown(name)
    return found


def parsed(name: str) -> Entry:
    """As ``entry``, for names that may say a recipe of one's own: whether it exists only its weights can tell.

    Raises:
        UnknownModel: no architecture and depth are named so, or the rest is no recipe's name and seed.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise _unknown(name)
    depth, seed = 4 if found["four"] else 10, int(found["seed"] or 0)
    return made(found["architecture"], depth, found["recipe"] or "standard", seed, best=bool(found["best"]))


def own(name: str) -> Entry | None:
    """The entry of a trained architecture of one's own, ``file:function.recipe[-best][@seed]``; else ``None``."""
    if (found := _OWN.fullmatch(name)) is None:
        return None
    return made(found["architecture"], 0, found["recipe"], int(found["seed"] or 0), best=bool(found["best"]))


def made(architecture: str, depth: int, recipe: str, seed: int = 0, *, best: bool = False) -> Entry:
    """The entry of these parts, under its shortest name; one of one's own (depth 0) says its recipe always."""
    tag = recipe + ("-best" if best else "")
    shortest = architecture + ("_4" if depth == 4 else "")
    shortest += f".{tag}" if tag != "standard" or not depth else ""
    shortest += f"@{seed}" if seed else ""
    return Entry(shortest, architecture, depth, recipe, seed, best)


def _unknown(name: str) -> UnknownModel:
    known = [*ENTRIES, *(f"{design}.{recipe}" for design in ARCHITECTURES for recipe in RECIPES[1:])]
    nearest = difflib.get_close_matches(name, dict.fromkeys(known), n=3, cutoff=0) or known[:3]
    return UnknownModel(f"unknown model {name!r}; nearest: {', '.join(nearest)}")
