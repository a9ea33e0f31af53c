"""Invariance attacks as a table of the terminal."""

from __future__ import annotations

from bench.numbers.eps import eps_text
from bench.pages.format import percent
from bench.studies.invariance.results import InvarianceResults
from bench.studies.shared.terminal import Name, print_table

CAPTION = (
    "In % of the images that model and proxy classify correctly when clean: an image within ε has a nearest "
    "training image of another class, and the model keeps its answer. In brackets whatever the model says. A "
    "proxy, no error rate."
)


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
