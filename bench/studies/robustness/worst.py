"""The columns of a row ``worst(…)``."""

from __future__ import annotations

from collections.abc import Sequence

from bench.leaderboard.members import _PREFIX, named, stated
from bench.studies.robustness.balls import BallPart
from bench.studies.robustness.results import Setting


def worst_columns(
    setting: Setting, i: int, parts: Sequence[BallPart]
) -> tuple[dict[str, str], list[BallPart]]:
    """The columns ``attack`` and ``params`` of a worst case at the i-th ε, and its parts in that order.

    What a part does not share with the row follows it after ``@``: ``curve``, ``grid``, ``eps`` or ``seed``.
    """
    own = _place(BallPart(setting, parts[0].curve, i), whole=True)
    texts: dict[str, BallPart] = {}
    for part in parts:
        place = {name: text for name, text in _place(part).items() if text != own[name]}
        differs = ",".join(f"{name}={text}" for name, text in place.items())
        texts.setdefault(stated(part.curve.request) + (f"@{differs}" if differs else ""), part)
    return named(_PREFIX + ";".join(sorted(texts))), [texts[text] for text in sorted(texts)]


def _place(part: BallPart, *, whole: bool = False) -> dict[str, str]:
    """Where a part was measured; of the grid and curve of a minimum-norm attack, which has none, nothing."""
    setting, eps = part.setting, part.setting.eps[part.at]
    place = {"eps": repr(float(eps)), "seed": str(setting.seed)}
    if not whole and part.curve.request.spec.threat == "minimum_norm":
        return place
    grid = setting.eps[: part.at + 1] if setting.curve == "cumulative" else ()
    return {"curve": setting.curve, "grid": "+".join(repr(float(each)) for each in grid), **place}
