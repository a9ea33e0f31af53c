"""The verdict on a row: an audit's, or that a verified row in the same ball is significantly lower.

Every verified row is an upper bound on the robust accuracy of these weights on these images, so the lowest one
counts, whoever measured it. Rows of released protocols, without ε, and of CLEVER take no part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool

from bench.engine.protocols import released_rules
from bench.leaderboard.columns import Row, identity
from bench.leaderboard.marks import BELIEVABLE, UPPER_BOUND, marked, verdict_of
from bench.leaderboard.members import is_worst, members
from bench.numbers.stats import LEVEL, mcnemar_lower

ROWS = marked(UPPER_BOUND, "rows")

# identity of a row → its digest and (n,) bool which images stand
Outcomes = Mapping[tuple[Any, ...], tuple[str, Bool[np.ndarray, " n"]]]


def ball_of(row: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """What rows share that may be compared: weights, images, protocol and ball; ``None`` for other rows."""
    if row["eps"] is None or row["robust"] is None or released_rules(row["protocol"]) is not None:
        return None
    return tuple(row[name] for name in ("weights", "data", "n", "protocol", "norm", "eps"))


def kept(new: str, before: str) -> str:
    """The mark of a row that had one: rows that speak against it outweigh an audit that found nothing."""
    return before if not new or (before == ROWS and verdict_of(new) == BELIEVABLE) else new


def remark(rows: Iterable[Row], outcomes: Outcomes | None = None) -> None:
    """Writes into ``audit`` and ``stronger`` of rows what the other rows say of them.

    A row is ``upper_bound(rows)``, unless an audit says as much or worse, where a row of its ball leaves
    significantly fewer images (McNemar's exact one-sided test, 5 %). ``stronger`` is then the number of images and
    the attack of the ball's lowest row. A mark made before stays where the lower rows' images are not known.

    Args:
        rows: all rows of a leaderboard; changed in place.
        outcomes: of rows whose images are known one by one; it counts where the digest is the row's.
    """
    balls: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if (ball := ball_of(row)) is not None:
            balls.setdefault(ball, []).append(row)
    for ball in balls.values():
        lowest = min(ball, key=lambda row: (row["robust"], is_worst(row["attack"]), row["attack"]))
        for row in ball:
            lower = sorted((r for r in ball if r["robust"] < row["robust"]), key=lambda r: r["robust"])
            known = bool(lower and row["stronger"])
            if known or any(largest_p(row, other, outcomes or {}) < LEVEL for other in lower):
                row["audit"] = kept(row["audit"], ROWS)
                row["stronger"] = f"{lowest['robust']} {lowest['attack']}"
            else:
                forget(row)


def forget(row: Row) -> None:
    """Takes back what other rows said of a row."""
    row["stronger"] = ""
    if row["audit"] == ROWS:
        row["audit"] = ""


def largest_p(high: Row, low: Row, outcomes: Outcomes) -> float:
    """The p-value that a row is lower than another, by McNemar's exact one-sided test, or the largest possible.

    Where the images are known one by one it is the test's. Where the lower row joins all attacks of the higher
    one it leaves no image that the higher one does not. Else d = high − low alone is known, and p is largest
    where as many images as possible stand under the lower row only: min(low, m − high), with m images right
    without attack (all n, where the two rows do not agree on that number).
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
    """Whether what stands under the lower row stands under the higher one too, by the attacks they state."""
    if not is_worst(low["attack"]) or not _alike(low, high):
        return False
    inside, outside = members(high), members(low)
    return inside is not None and outside is not None and inside <= outside


def _alike(low: Row, high: Row) -> bool:
    """Whether two rows may rest on the same cells: their kernels and batches are the same."""
    return (low["backend"], low["batch"]) == (high["backend"], high["batch"])
