"""Invariance attacks as rows of ``--json`` and as a table of the terminal."""

from __future__ import annotations

from typing import Any

from bench.numbers.eps import eps_text
from bench.pages.format import percent
from bench.studies.invariance.results import InvarianceResults
from bench.studies.shared.terminal import Name, print_table

CAPTION = (
    "In % of the images that model and proxy classify correctly when clean: an image within ε has a nearest "
    "training image of another class, and the model keeps its answer. In brackets whatever the model says. A "
    "proxy, no error rate."
)


def json_rows(results: InvarianceResults) -> list[dict[str, Any]]:
    """A row for each model and ε."""
    setting = results.setting
    return [
        {
            "model": model.info.name,
            "weights": model.info.weights,
            "trained_on": model.info.trained_on,
            "dataset": setting.dataset,
            "data": setting.data,
            "training": setting.training,
            "n": setting.n,
            "candidates": setting.candidates,
            "norm": "linf",
            "eps": eps,
            "counted": int(model.counted.sum()),
            "invariant": share.value,
            "invariant_lo": share.lo,
            "invariant_hi": share.hi,
            "changed": ceiling.value,
            "digest": model.digest,
        }
        for model in results.models
        for eps, share, ceiling in zip(setting.radii, model.shares(), model.ceilings(), strict=False)
    ]


def invariance_table(results: InvarianceResults) -> None:
    """Prints the models in their order."""
    rows = [
        [
            Name(model.info.name),
            str(int(model.counted.sum())),
            *(
                f"{percent(share.value)} ({percent(ceiling.value)})"
                for share, ceiling in zip(model.shares(), model.ceilings(), strict=True)
            ),
        ]
        for model in results.models
    ]
    print_table(
        f"{results.setting.dataset}: invariance examples within ε in L∞, n = {results.setting.n}",
        ["model", "images", *(f"ε = {eps_text(eps)}" for eps in results.setting.radii)],
        rows,
        CAPTION,
        left=("model",),
    )
