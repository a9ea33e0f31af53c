"""The first screen of the page on detection."""

from __future__ import annotations

from bench.numbers.eps import eps_text
from bench.pages.format import percent
from bench.pages.lead import Change, Lead, counted
from bench.studies.detect.results import DetectResults


def lead_of(results: DetectResults) -> Lead:
    """The first screen of the page."""
    setting = results.setting
    return Lead(
        study="detection by layers that disagree",
        dataset=setting.dataset,
        finding=_finding(results),
        verdict="Believe the numbers under the adaptive attack only, which knows the detector. They are upper bounds: "
        "a stronger adaptive attack may leave fewer images.",
        about=f"{counted(len(results.models), 'model')} on the first {counted(setting.n, 'image')}; the detector of "
        f"each is made of {counted(setting.calibration, 'further image')}.",
        changes=(
            Change("More steps for both attacks (option --steps)."),
            Change("Another share of flagged clean images (option --false-positives)."),
        ),
        failed=results.failed,
    )


def _finding(results: DetectResults) -> str:
    if not results.models:
        return "No model was measured."
    at, eps = len(results.setting.radii) - 1, eps_text(results.setting.radii[-1])
    best = max(results.models, key=lambda model: model.radii[at].aware.value)
    found = best.radii[at]
    return (
        f"At ε = {eps} the detector of {best.info.name} leaves {percent(found.aware_plain.value)} % of the images "
        f"standing under an attack that does not know it, and {percent(found.aware.value)} % under one that does; "
        f"without a detector {percent(found.undefended.value)} % stand under both."
    )
