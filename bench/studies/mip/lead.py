"""The first screen of the page on maximum invariant perturbations."""

from __future__ import annotations

import math

from bench.pages.format import percent
from bench.pages.lead import Change, Lead, counted
from bench.studies.mip.results import MipResult, MipResults


def lead_of(results: MipResults) -> Lead:
    """The first screen of the page."""
    setting = results.setting
    return Lead(
        study="maximum invariant perturbation",
        dataset=setting.dataset,
        finding=_finding(results),
        verdict="The removal is random: it says nothing about worst-case robustness, and its percentages do "
        "not compare with an ε.",
        about=f"{counted(len(results.models), 'model')} on the first {counted(setting.n, 'image')}, "
        f"{counted(setting.draws, 'random order')} of each.",
        changes=(
            Change(f"Another value than {setting.fill} for removed pixels (option --fill)."),
            Change("More images (option --n) make the intervals narrower."),
        ),
        failed=results.failed,
    )


def _finding(results: MipResults) -> str:
    def mean(model: MipResult) -> float:
        value = model.mean().value
        return -1.0 if math.isnan(value) else value

    models = sorted(results.models, key=mean, reverse=True)
    if not models or mean(models[0]) < 0:
        return "No model was measured on an image that it classifies correctly."
    best, worst = models[0], models[-1]
    first = f"{best.info.name} still classifies an image correctly when {_share(best)} of its pixel values are removed"
    if best is worst:
        return f"{first}, in the mean over images."
    return f"{first}, in the mean over images; {worst.info.name} when {_share(worst)} are."


def _share(model: MipResult) -> str:
    mean = model.mean()
    return f"{percent(mean.value)} % ({percent(mean.lo)}–{percent(mean.hi)})"
