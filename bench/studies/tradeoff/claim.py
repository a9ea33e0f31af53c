"""The tested statements about the trade-off, and the conditions of each verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ROTATIONS = ("standard", "rotate60", "rotate120", "rotate180")
PERTURBATIONS = ("standard", "pgd_at_quarter", "pgd_at_half", "pgd_at")
CORNERS = ("pgd_at", "rotate180", "rotate180+pgd_at", "rotate120+pgd_at_quarter")
CURRICULUM = "cusp"
RECIPES = tuple(dict.fromkeys([*ROTATIONS, *PERTURBATIONS, *CORNERS, "trades", CURRICULUM]))
ARCHITECTURES = ("baseline_cnn", "equivariant_gcnn")


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeoffClaim:
    """A statement.

    Attributes:
        id: for links.
        title: the statement.
        recipes: the compared ones, in its order.
        tests: one sentence about the tests.
        holds, fails: one sentence each about the conditions of the verdicts.
    """

    id: str
    title: str
    recipes: Sequence[str]
    tests: str
    holds: str
    fails: str


_STEPS_HOLD = (
    "The fall from the first model to the last is significant, every step was measured, and none is a "
    "significant rise."
)
_STEPS_FAIL = "The change from the first model to the last, or a step, is a significant rise."
_BESIDE = (
    "Clean accuracy differs too, so the same comparison on the images that both models classify correctly when clean "
    "is shown beside it; it does not count for the verdict."
)

CLAIMS = (
    TradeoffClaim(
        id="rotations",
        title="Models trained for larger rotations are less adversarially robust",
        recipes=ROTATIONS,
        tests="Accuracy under PGD from standard training over random rotations of ±60° and ±120° to ±180°, first "
        "against last and step by step, at the ε of the grid where the standard model alone is nearest to half of "
        "its clean accuracy: at the largest ε, models without adversarial training may all be at 0 %, which "
        f"decides nothing. {_BESIDE}",
        holds=_STEPS_HOLD,
        fails=_STEPS_FAIL,
    ),
    TradeoffClaim(
        id="perturbations",
        title="Adversarially trained models are less spatially robust the larger the ε they were trained for",
        recipes=PERTURBATIONS,
        tests="Accuracy under random rotation ±180° from standard training over PGD training at a quarter and a half "
        f"of ε to the full ε, first against last and step by step. {_BESIDE}",
        holds=_STEPS_HOLD,
        fails=_STEPS_FAIL,
    ),
    TradeoffClaim(
        id="curriculum",
        title="A curriculum over both (CuSP) improves both at once over fixed corners",
        recipes=(*CORNERS, CURRICULUM),
        tests="CuSP against each of four models trained with one fixed rotation and ε, (0°, ε), (±180°, 0), "
        "(±180°, ε) and (±120°, ε/4), on the axes of the front: accuracy under random rotation ±180° and under its "
        "attacks at the largest ε.",
        holds="All four were measured. CuSP is not significantly worse than any of them on any axis. Compared with "
        "every one that no other corner dominates, it is at least as good on both axes and significantly "
        "better on one.",
        fails="CuSP is significantly worse on one axis than a corner that is at least as good on the other.",
    ),
)
