"""The verdict on a row: an audit's, or that a verified row in the same ball is significantly lower.

Every verified row is an upper bound on the robust accuracy of these weights on these images, so the lowest one counts,
whoever measured it. Rows of released protocols, without ε, and of CLEVER are not compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool

from bench.engine.protocols import released_rules
from bench.leaderboard.columns import Row, identity
from bench.leaderboard.marks import BELIEVABLE, ONE_STEP, ROWS, kept, verdict_of
from bench.leaderboard.members import is_worst, members, single_step
from bench.numbers.stats import LEVEL, mcnemar_lower

# identity of a row → its digest and (n,) bool, the images that are still right
Outcomes = Mapping[tuple[Any, ...], tuple[str, Bool[np.ndarray, " n"]]]


def ball_of(row: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """The common values of comparable rows: weights, images, protocol and ball; ``None`` for other rows."""
    if row["eps"] is None or row["robust"] is None or released_rules(row["protocol"]) is not None:
        return None
    return tuple(row[name] for name in ("weights", "data", "n", "protocol", "norm", "eps"))


def remark(rows: Iterable[Row], outcomes: Outcomes | None = None) -> None:
    """Writes the verdicts of other rows into ``audit`` and ``stronger`` of rows.

    A row is ``upper_bound(rows)`` if a row of its ball leaves significantly fewer images right (McNemar's exact
    one-sided test, 5 %), unless an audit says the same or worse. ``stronger`` is then the number of images and the
    attack of the ball's lowest row. An earlier mark stays if the lower rows' images are not known. A row is
    ``upper_bound(one step)`` if an audit found nothing, but all rows of its ball are of attacks of one step; the
    audit's own attacks are stronger.

    Args:
        rows: all rows of a leaderboard; changed in place.
        outcomes: of rows whose images are known one by one; it counts where the digest is the row's.
    """
    balls: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if (ball := ball_of(row)) is not None:
            balls.setdefault(ball, []).append(row)
    for ball in balls.values():
        weak = all(single_step(row) for row in ball)
        lowest = min(ball, key=lambda row: (row["robust"], is_worst(row["attack"]), row["attack"]))
        for row in ball:
            lower = sorted((r for r in ball if r["robust"] < row["robust"]), key=lambda r: r["robust"])
            known = bool(lower and row["stronger"])
            if known or any(largest_p(row, other, outcomes or {}) < LEVEL for other in lower):
                row["audit"] = kept(row["audit"], ROWS)
                row["stronger"] = f"{lowest['robust']} {lowest['attack']}"
            else:
                forget(row)
            if weak and verdict_of(row["audit"]) == BELIEVABLE:
                row["audit"] = ONE_STEP
            elif not weak and row["audit"] == ONE_STEP:
                row["audit"] = ""


def forget(row: Row) -> None:
    """Removes the verdict of other rows from a row."""
    row["stronger"] = ""
    if row["audit"] == ROWS:
        row["audit"] = ""


def largest_p(high: Row, low: Row, outcomes: Outcomes) -> float:
    """The p-value that a row is lower than another, by McNemar's exact one-sided test, or the largest possible.

    If the images are known one by one it is the test's. If the lower row joins all attacks of the higher one, its right
    images are among those of the higher one. Else only d = high − low is known, and p is largest if as many images as
    possible are right under the lower row only: min(low, m − high), with m images right without attack (all n, if the
    two rows have different such numbers).
    """
    a, b = (_outcome(row, outcomes) for row in (high, low))
    if a is not None and b is not None:
        return mcnemar_lower(int((a & ~b).sum()), int((b & ~a).sum()))
    d, back = high["robust"] - low["robust"], 0
    if not _contained(low, high):
        same = high["clean_right"] == low["clean_right"] and _alike(low, high)
        right = high["clean_right"] if same else high["n"]
        back = min(low["robust"], right - high["robust"])
    return mcnemar_lower(d + back, back)


def _outcome(row: Row, outcomes: Outcomes) -> Bool[np.ndarray, " n"] | None:
    digest, standing = outcomes.get(identity(row), ("", None))
    return standing if digest == row["digest"] else None


def _contained(low: Row, high: Row) -> bool:
    """Whether the images right under the lower row are right under the higher one too, by their attacks."""
    if not is_worst(low["attack"]) or not _alike(low, high):
        return False
    inside, outside = members(high), members(low)
    return inside is not None and outside is not None and inside <= outside


def _alike(low: Row, high: Row) -> bool:
    """Whether two rows may use the same cells: their kernels and batches are the same."""
    return (low["backend"], low["batch"]) == (high["backend"], high["batch"])
