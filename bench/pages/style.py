"""Colours, dashes and markers of models, the same in every figure of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Placeholders that a page replaces by its own variables for light and dark.
CARD = "#ffffff"
INK = "#1b2430"
MUTED = "#5d6875"
LINE = "#d9dee5"
WRONG, WARN, RIGHT = "#b3261e", "#8a5c00", "#1c7c54"

# Okabe and Ito's colours, distinct for all common kinds of colour blindness, on light and dark background.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8f7a00")

FEW = 6  # models up to which each has a colour of its own and all share a panel


@dataclass(frozen=True, slots=True)
class Style:
    """How one model is drawn."""

    colour: str
    dash: tuple[int, int]
    marker: str


def family(name: str) -> str:
    """The architecture a model's name begins with, without depth and recipe."""
    return name.partition(".")[0].removesuffix("_4")


def recipe(name: str) -> str:
    """The recipe tag of a model's name; empty for plain training."""
    return name.partition(".")[2]


def shallow(name: str) -> bool:
    """Whether the name is of a model of depth 4."""
    return name.partition(".")[0].endswith("_4")


def styles(names: Sequence[str]) -> dict[str, Style]:
    """A style for each model: with few models a colour each, with many a colour for each recipe.

    Depth 4 is dashed and square either way.
    """
    by_model = len(names) <= FEW
    kinds = list(names) if by_model else sorted({recipe(name) for name in names}, key=_plain_first)
    return {
        name: Style(
            PALETTE[kinds.index(name if by_model else recipe(name)) % len(PALETTE)],
            (4, 2) if shallow(name) else (1, 0),
            "s" if shallow(name) else "o",
        )
        for name in names
    }


def _plain_first(tag: str) -> tuple[int, str]:
    """Sort key: plain training first, then adversarial training, for colours that do not depend on other recipes."""
    known = ("", "pgd_at", "fgsm_mix")
    return (known.index(tag) if tag in known else len(known), tag)
