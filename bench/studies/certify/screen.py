"""The table of certificates."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.numbers.eps import eps_texts
from bench.numbers.stats import Share
from bench.pages.format import norm_text
from bench.studies.certify.results import CertifyResults


def certificates_table(results: CertifyResults) -> None:
    """Prints every model and method, with certified accuracy at each radius."""
    setting, options = results.setting, results.setting.options
    noise = f", σ {options.sigma:g}, {options.samples:,} samples" if options.sigma and options.samples else ""
    table = Table(
        title=f"{escape(setting.dataset)}: certified accuracy in %, {norm_text(options.norm)}{noise}, n = {setting.n}",
        caption="A certificate is a lower bound: no perturbation within the radius changes the class. Beside it the "
        "share that verified attacks leave standing, an upper bound.",
    )
    for column in ("model", "method", "clean", *eps_texts(options.radii), "abstained", "violations"):
        table.add_column(
            column, justify="left" if column in ("model", "method") else "right", overflow="fold"
        )
    for model in results.models:
        for method in model.radii:
            table.add_row(
                escape(model.info.name),
                method,
                _percent(model.clean),
                *(
                    f"{_percent(model.certified(method, radius))} ≤ {_percent(model.standing(radius))}"
                    for radius in options.radii
                ),
                str(int(model.abstained.sum())),
                str(sum(each.method == method for each in model.violations())),
            )
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _percent(share: Share) -> str:
    return f"{100 * share.value:.1f}"
