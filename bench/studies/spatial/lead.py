"""The first screen of the page on rotations and translations."""

from __future__ import annotations

from collections.abc import Callable

from bench.numbers.stats import Share
from bench.pages.format import interval, percent
from bench.pages.lead import Change, Lead, counted
from bench.studies.spatial.results import SpatialResult, SpatialResults


def lead_of(results: SpatialResults) -> Lead:
    """The first screen of the page."""
    setting = results.setting
    return Lead(
        study="rotations and translations",
        dataset=setting.dataset,
        finding=_finding(results),
        verdict="Random transformations are not the worst case, and a grid covers only its points. No ε ball "
        "contains rotations, so none of these numbers compares with a number at an ε.",
        about=f"{counted(len(results.models), 'model')} on the first {counted(setting.n, 'image')}, "
        f"{counted(setting.draws, 'random draw')} of each.",
        changes=(
            Change("A finer grid (option --grid), which can only lower the accuracy."),
            Change("Another interpolation or another fill beyond the border."),
        ),
        failed=results.failed,
    )


def _finding(results: SpatialResults) -> str:
    if not results.models:
        return "No model was measured."
    where, accuracy = _hardest(results)
    models = sorted(results.models, key=lambda model: accuracy(model).value, reverse=True)
    best, worst = models[0], models[-1]
    first = f"{where}, {best.info.name} classifies {_share(accuracy(best))} of the images correctly"
    if best is worst:
        return f"{first} ({_share(best.clean_accuracy)} unchanged)."
    return f"{first}, the most of {len(models)} models; {worst.info.name} {_share(accuracy(worst))}."


def _hardest(results: SpatialResults) -> tuple[str, Callable[[SpatialResult], Share]]:
    """The measurement that the sentence is about, and its accuracy."""
    setting = results.setting
    if setting.rotations:
        level = setting.rotations[-1]
        return f"Turned by random angles up to ±{level:g}°", lambda model: model.rotations[level].accuracy
    if setting.translations:
        shift = setting.translations[-1]
        text = f"Shifted at random by up to ±{100 * shift:g} % of the side"
        return text, lambda model: model.translations[shift].accuracy
    if setting.grid:
        return "At every point of the grid", lambda m: m.grid.accuracy if m.grid else m.clean_accuracy
    return "Not moved", lambda model: model.clean_accuracy


def _share(share: Share) -> str:
    return f"{percent(share.value)} % ({interval(share)})"
