"""The separate table of rotations and translations, which are in no ball."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.numbers.stats import Share, wilson
from bench.studies.robustness.names import spatial_names

if TYPE_CHECKING:
    from bench.attacks import Request
    from bench.studies.robustness.ranking import Standing
    from bench.studies.robustness.results import Results


@dataclass(frozen=True, slots=True)
class SpatialTable:
    """Accuracy under spatial attacks.

    Attributes:
        attacks: name, library and tried transformations of each.
        rows: a model's name, its clean accuracy and its accuracy under each attack, ``None`` where it was not measured;
            only models that met a spatial attack.
    """

    attacks: tuple[tuple[str, str, str], ...]
    rows: tuple[tuple[str, Share, tuple[Share | None, ...]], ...]


def spatial_table(results: Results, lines: Sequence[Standing]) -> SpatialTable | None:
    """The table of a setting, models in the order of ``lines``; ``None`` where nothing spatial was measured."""
    names = spatial_names(results)
    if not names:
        return None
    rows = []
    for line in lines:
        found = {curve.request: curve.standing[0] for curve in line.result.spatial}
        if found:
            shares = tuple(
                wilson(int(found[request].sum()), len(found[request])) if request in found else None
                for request in names
            )
            rows.append((line.name, line.clean, shares))
    libraries = {c.request: c.library for model in results.models for c in model.spatial}
    attacks = tuple((name, libraries[request], tried(request)) for request, name in names.items())
    return SpatialTable(attacks, tuple(rows))


def tried(request: Request) -> str:
    """The transformations that a spatial attack tries, in words."""
    params = {name: float(value or 0) for name, value in request.params}
    angle, shift = f"±{params['rotation']:g}°", f"±{100 * params['translation']:g} % of the side"
    if "draws" in params:
        return (
            f"{params['draws']:g} random transformations, the same for all images of a batch, with angles up "
            f"to {angle} and shifts along each axis up to {shift}"
        )
    angles, shifts = params["rotations"], params["translations"]
    turned = f"{angles:g} angles up to {angle}" if angles > 1 else "no turn"
    moved = f"{shifts:g} shifts along each axis up to {shift}" if shifts > 1 else "no shift"
    return f"every combination of {turned} and {moved}: {angles * shifts**2:,.0f} in all"
