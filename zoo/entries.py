"""The names a model can be asked for by, without loading torch.

A name reads ``<architecture>[_4][.<recipe>][@<seed>]``: ten layers unless ``_4`` says four, recipe
``standard`` unless another is named, seed 0 unless another is given.
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
RECIPES = ("standard", "pgd_at", "fgsm_mix")


class UnknownModel(UserError, ValueError):
    """A name that no model of the zoo has; the message gives the nearest names."""


@dataclass(frozen=True)
class Entry:
    """One model: what is built (architecture, depth 10 or 4) and how it is trained (recipe, seed)."""

    name: str
    architecture: str
    depth: int
    recipe: str
    seed: int = 0


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

_NAME = re.compile(
    rf"(?P<architecture>{'|'.join(ARCHITECTURES)})(?P<four>_4)?"
    rf"(?:\.(?P<recipe>{'|'.join(RECIPES)}))?(?:@(?P<seed>[0-9]+))?"
)


def entry(name: str) -> Entry:
    """The entry of that name, its own name in the shortest form (``a.standard@0`` is ``a``).

    Raises:
        UnknownModel: no architecture, depth, recipe and seed are named so.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        nearest = difflib.get_close_matches(name, ENTRIES, n=3, cutoff=0) or list(ENTRIES)[:3]
        raise UnknownModel(f"unknown model {name!r}; nearest: {', '.join(nearest)}")
    architecture, recipe = found["architecture"], found["recipe"] or "standard"
    depth, seed = 4 if found["four"] else 10, int(found["seed"] or 0)
    shortest = architecture + (found["four"] or "")
    shortest += f".{recipe}" if recipe != "standard" else ""
    shortest += f"@{seed}" if seed else ""
    return Entry(shortest, architecture, depth, recipe, seed)
