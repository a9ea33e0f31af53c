"""The table of accuracy under rotations and translations."""

from __future__ import annotations

from bench.numbers.stats import Share
from bench.studies.shared.screen import percent
from bench.studies.shared.terminal import Name, print_table
from bench.studies.spatial.results import SpatialResult, SpatialResults

CAPTION = (
    "±30°: random angles in degrees or shifts in % of the side, mean over images and draws; grid: correct at "
    "every point. No ε ball contains these transformations, so do not compare them with accuracies at an ε. "
    "± covers the 95 % "
    "interval."
)


def spatial_table(results: SpatialResults) -> None:
    """Prints the models in their order."""
    setting = results.setting
    heads = ["clean", *(f"±{level:g}°" for level in setting.rotations)]
    heads += [f"±{100 * level:g} %" for level in setting.translations]
    heads += ["grid"] if setting.grid else []
    print_table(
        f"{setting.dataset}: accuracy in %, {setting.interpolation}, fill {setting.fill}, {setting.draws} draws an "
        f"image, n = {setting.n}",
        ["model", *heads],
        [[Name(model.info.name), *map(percent, _shares(model))] for model in results.models],
        CAPTION,
        left=("model",),
    )


def _shares(model: SpatialResult) -> list[Share]:
    outcomes = (*model.rotations.values(), *model.translations.values())
    worst = [model.grid.accuracy] if model.grid else []
    return [model.clean_accuracy, *(outcome.accuracy for outcome in outcomes), *worst]
