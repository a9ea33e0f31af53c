"""Spatial against adversarial robustness on one data set as an HTML page with its figures beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.numbers.eps import eps_text
from bench.numbers.stats import Share, Spread
from bench.numbers.wording import FAILS, HOLDS, difference_text, p_text, points_text
from bench.pages.format import slug
from bench.pages.frame import environment, write
from bench.studies.tradeoff.lead import lead_of
from bench.studies.tradeoff.results import (
    CLEAN,
    FRONT,
    NEARBY,
    SPATIAL,
    Axis,
    ModelGroup,
    Tradeoff,
)
from bench.studies.tradeoff.tested import AGAINST, AS_CLAIMED
from bench.studies.tradeoff.verdicts import informative, judge

_CLASSES = {HOLDS: "right", FAILS: "wrong", AS_CLAIMED: "right", AGAINST: "wrong"}


@dataclass(frozen=True, slots=True)
class Number:
    """An accuracy with its interval over images and, of several training runs, their spread."""

    share: Share | None
    spread: Spread | None


@dataclass(frozen=True, slots=True)
class TradeoffLine:
    """A model in a table.

    Attributes:
        number: in the plane.
        group: the model.
        images, epochs: of training, each value once; empty where they are not known.
        numbers: accuracies, in the table's order.
        wide, nearby: whether it is on the front of rotations ±180° (±30°) and the front's attacks.
    """

    number: int
    group: ModelGroup
    images: tuple[int, ...]
    epochs: tuple[int, ...]
    numbers: tuple[Number, ...]
    wide: bool
    nearby: bool


@dataclass(frozen=True, slots=True)
class CornerPair:
    """The weights of the best epoch and of the last one: accuracies of both, in the table's order."""

    name: str
    last: tuple[float, ...]
    best: tuple[float, ...]


def write_tradeoff_page(tradeoff: Tradeoff, directory: Path) -> Path:
    """Writes ``<directory>/<data set>-tradeoff.html`` and its figures, each file whole or not at all.

    Raises:
        UsageError: the directory cannot be written.
    """
    stem = f"{slug(tradeoff.setting.dataset)}-tradeoff"
    return write(directory / f"{stem}.html", tradeoff, partial(_drawn, tradeoff, stem))


def _drawn(tradeoff: Tradeoff, stem: str) -> tuple[str, dict[str, bytes]]:
    """The page, and the files of its figures by name."""
    from bench.studies.tradeoff.figures import draw_curves, draw_plane
    from bench.studies.tradeoff.linear_figures import closed_form

    linear = closed_form(stem)
    files = dict(linear.files)
    curves: list[tuple[str, str]] = []
    plane = None
    if tradeoff.replicas:
        curves, drawn = draw_curves(tradeoff, stem)
        plane = draw_plane(tradeoff, tradeoff.groups, stem)
        files |= drawn | plane.files
    return _render(tradeoff, curves=curves, plane=plane, linear=linear), files


def rows(tradeoff: Tradeoff, axes: Sequence[tuple[Axis, bool]]) -> tuple[TradeoffLine, ...]:
    """The models in order, with their accuracies on axes; a true flag asks for those of clean-right images."""
    wide, nearby = (tradeoff.front(axis) for axis in (SPATIAL, NEARBY))
    return tuple(
        TradeoffLine(
            number=i + 1,
            group=group,
            images=tuple(sorted({each.images for each in group.replicas if each.images is not None})),
            epochs=tuple(sorted({each.epochs for each in group.replicas if each.epochs is not None})),
            numbers=tuple(_number(tradeoff, group, axis, given) for axis, given in axes),
            wide=group in wide,
            nearby=group in nearby,
        )
        for i, group in enumerate(tradeoff.groups)
    )


def pairs(tradeoff: Tradeoff, axes: Sequence[Axis]) -> tuple[CornerPair, ...]:
    """Networks of the best epoch that have one of the last beside them."""
    last = {replica.info.name: replica for replica in tradeoff.replicas}
    names = {best.info.name: best.info.name.replace("-best", "") for best in tradeoff.best}
    return tuple(
        CornerPair(
            names[best.info.name],
            tuple(tradeoff.one(last[names[best.info.name]], axis) for axis in axes),
            tuple(tradeoff.one(best, axis) for axis in axes),
        )
        for best in tradeoff.best
        if names[best.info.name] in last
    )


def _number(tradeoff: Tradeoff, group: ModelGroup, axis: Axis, given: bool) -> Number:
    several = len(group.replicas) > 1 and not given
    return Number(
        tradeoff.share(group, axis, given_clean=given), tradeoff.spread(group, axis) if several else None
    )


def _columns(tradeoff: Tradeoff) -> list[tuple[str, str, Axis, bool]]:
    """Head, unit, axis and whether over clean-right images, of the first table."""
    largest = eps_text(tradeoff.setting.eps[-1])
    few = f", {tradeoff.front_n} images" if tradeoff.front_n < tradeoff.setting.n else ""
    small = sorted(
        {
            informative(tradeoff, tradeoff.group(name, "standard")).at
            for name in tradeoff.architectures
            if tradeoff.group(name, "standard")
        }
        - {tradeoff.setting.eps[-1]}
    )
    found = [
        ("Clean", "", CLEAN, False),
        ("Spatial", "±30°", NEARBY, False),
        ("Spatial", "±180°", SPATIAL, False),
        ("Spatial", "±180°, clean-right", SPATIAL, True),
        *(("PGD", f"ε {eps_text(eps)}", Axis("pgd", eps), False) for eps in small),
        ("PGD", f"ε {largest}", tradeoff.largest, False),
    ]
    if tradeoff.attack != "pgd":
        found.append((tradeoff.front_name, f"ε {largest}{few}", FRONT, False))
    return found


def _render(tradeoff: Tradeoff, **parts: object) -> str:
    columns = _columns(tradeoff)
    judged = judge(tradeoff)
    every = [
        *((f"±{at:g}°", Axis("rotation", at)) for at in tradeoff.rotations),
        *((f"ε {eps_text(eps)}", Axis("pgd", eps)) for eps in tradeoff.setting.eps),
    ]
    templates = environment()
    templates.filters |= {"difference": difference_text, "p": p_text, "points": points_text, "eps": eps_text}
    return templates.get_template("tradeoff.html.j2").render(
        lead=lead_of(tradeoff, judged),
        tradeoff=tradeoff,
        setting=tradeoff.setting,
        attack=tradeoff.front_name,
        columns=columns,
        rows=rows(tradeoff, [(axis, given) for _, _, axis, given in columns]),
        every=every,
        all_rows=rows(tradeoff, [(axis, False) for _, axis in every]),
        pairs=pairs(tradeoff, (CLEAN, SPATIAL, tradeoff.largest)),
        judged=judged,
        classes=_CLASSES,
        words=tradeoff.words,
        **parts,
    )
