"""Removal rates as rows for ``--json`` and as a table of the terminal."""

from __future__ import annotations

from typing import Any

from bench.numbers.bootstrap import Interval
from bench.studies.mip.results import MipResult, MipResults
from bench.studies.shared.terminal import Name, print_table

CAPTION = (
    "Share of pixel values removed before the first misclassification, over images classified correctly before "
    "removal. The removal is random and not adversarial: it says nothing about the worst case."
)


def json_row(results: MipResults, model: MipResult) -> dict[str, Any]:
    """One model as a JSON row; what is not defined is null."""
    setting, mean = results.setting, model.mean()
    lower, median, upper = model.quantiles()
    compared = {each.model: each for each in results.comparisons()}.get(model.info.name)
    row = {
        "model": model.info.name,
        "weights": model.info.weights,
        "trained_on": model.info.trained_on,
        "dataset": setting.dataset,
        "data": setting.data,
        "n": setting.n,
        "draws": setting.draws,
        "grid": setting.grid,
        "fill": setting.fill,
        "seed": setting.seed,
        "clean_wrong": model.wrong,
        "mip_mean": mean.value,
        "mip_lo": mean.lo,
        "mip_hi": mean.hi,
        "mip_lower_quartile": lower,
        "mip_median": median,
        "mip_upper_quartile": upper,
        "sd_over_images": model.spread_over_images,
        "sd_over_draws": model.spread_over_draws,
        "withstood_all": model.withstood_all,
        "reference": compared.reference if compared else None,
        "difference": compared.difference.value if compared else None,
        "difference_lo": compared.difference.lo if compared else None,
        "difference_hi": compared.difference.hi if compared else None,
        "digest": model.digest,
    }
    return {name: None if value != value else value for name, value in row.items()}


def removal_table(results: MipResults) -> None:
    """Prints the models in their order."""
    setting = results.setting
    rows = []
    compared = {each.model: each for each in results.comparisons()}
    for model in results.models:
        lower, median, upper = model.quantiles()
        other = compared.get(model.info.name)
        rows.append(
            [
                Name(model.info.name),
                _interval(model.mean()),
                _percent(median),
                f"{_percent(lower)}–{_percent(upper)}",
                _percent(model.spread_over_images),
                _percent(model.spread_over_draws),
                str(model.wrong),
                _interval(other.difference) if other else "",
            ]
        )
    print_table(
        f"{setting.dataset}: maximum invariant perturbation in % of pixel values, fill {setting.fill}, "
        f"{setting.draws} draws an image, n = {setting.n}",
        ["model", "mean", "median", "quartiles", "sd\nimages", "sd\ndraws", "wrong", "less the\nfirst"],
        rows,
        CAPTION,
        left=("model",),
    )


def _percent(value: float) -> str:
    return "–" if value != value else f"{100 * value:.1f}"


def _interval(of: Interval) -> str:
    return f"{_percent(of.value)}±{_percent(max(of.hi - of.value, of.value - of.lo))}"
