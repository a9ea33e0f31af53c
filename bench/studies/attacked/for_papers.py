"""Figures for papers of models under attacks: accuracy against ε, and clean against robust accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.engine.store import Store
from bench.errors import UsageError
from bench.numbers.eps import eps_texts
from bench.pages.captioned import Captioned, chosen
from bench.pages.figures import figure_style
from bench.pages.format import norm_text
from bench.pages.lead import counted, listed
from bench.pages.style import styles
from bench.studies.attacked.figures import WORST, curves_sheet, scatter_sheet
from bench.studies.robustness.balls import joined
from bench.studies.robustness.history import chapters, page_results
from bench.studies.robustness.names import attack_names
from bench.studies.robustness.ranking import Standing, standings
from bench.studies.robustness.results import Results


@figure_style()
def curves(store: Store, dataset: str | None, models: Sequence[str], attack: str | None) -> Captioned:
    """Accuracy against ε under one attack, or in the worst case over all.

    Args:
        store: where the runs are; the newest setting counts.
        dataset: only settings on this data set.
        models: names as tables have them; empty for all.
        attack: a name as tables have it; ``None`` for the worst case.

    Raises:
        UsageError: the store has no such measurement.
    """
    results, lines = _measured(store, dataset, models)
    names = {name: request for request, name in attack_names(results).items()}
    if attack is not None and attack not in names:
        raise UsageError(f"--attack {attack!r} was not run; these were: {', '.join(names)}")
    if attack is None and len(names) == 1:
        (attack,) = names
    figure = curves_sheet(results, lines, names[attack] if attack else None, attack or WORST)
    under = attack or f"the worst case over {listed(list(names))}"
    text = f"Accuracy under {under} against ε; bands are 95 % Wilson intervals. {_about(results)}"
    return Captioned(figure, text)


@figure_style()
def scatter(store: Store, dataset: str | None, models: Sequence[str], attack: str | None) -> Captioned:
    """Clean accuracy against the mean worst-case accuracy; arguments as in ``curves``, without an attack."""
    if attack is not None:
        raise UsageError("--attack is for --kind curves: a scatter is of the worst case")
    results, lines = _measured(store, dataset, models)
    worst = f"the mean over ε = {', '.join(eps_texts(results.setting.eps))} of the worst case over"
    text = (
        f"Clean accuracy against {worst} {listed(list(attack_names(results).values()))}; lines are 95 % intervals, "
        f"the area of a marker grows with the number of parameters. {_about(results)}"
    )
    return Captioned(scatter_sheet(lines, styles([line.name for line in lines])), text)


def _measured(store: Store, dataset: str | None, models: Sequence[str]) -> tuple[Results, list[Standing]]:
    """The newest setting with sound results before released ones, and its chosen models that met an attack."""
    found = sorted(chapters(store, dataset), key=lambda chapter: chapter.released)
    if not found:
        raise UsageError(f"the store has no runs under attacks{f' on {dataset!r}' if dataset else ''}")
    main, apart = page_results(store, found[0])
    main = joined(main, [main, *apart])
    lines = [line for line in standings(main) if line.result.curves]
    lines = chosen(lines, [line.name for line in lines], models)
    kept = tuple(line.result for line in lines)
    return replace(main, models=kept), lines


def _about(results: Results) -> str:
    setting = results.setting
    return (
        f"{setting.dataset}, first {counted(setting.n, 'image')}, {norm_text(setting.norm)} ball, {setting.curve} "
        f"curves, protocol {setting.protocol}."
    )
