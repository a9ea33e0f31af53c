"""Accuracies on a corrupted data set by corruption, as an HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.numbers.eps import eps_texts
from bench.numbers.groups import GroupTable, by_group
from bench.pages.format import slug
from bench.pages.frame import environment, write
from bench.studies.robustness.corruption_errors import CorruptionErrors, Key, is_whole, key_of
from bench.studies.robustness.corruption_lead import lead_of
from bench.studies.robustness.names import attack_names
from bench.studies.robustness.results import ModelResult, Results
from zoo.cifar10c import BENCHMARK
from zoo.corruptions.constants import SIDES
from zoo.grouped import Groups

INTERVALS = (
    "Each base image is here under every corruption and severity, so images are no independent draws: "
    "intervals and ranks that count images are too sure here."
)


@dataclass(frozen=True, slots=True, eq=False)
class GroupRow:
    """One model: a table without attack, then one of the worst case at each ε; corruption errors where defined."""

    name: str
    tables: tuple[GroupTable, ...]
    errors: CorruptionErrors | None = None


def write_groups_page(
    results: Results, groups: Groups, directory: Path, errors: Mapping[Key, CorruptionErrors]
) -> Path | None:
    """Writes ``<directory>/<data set>-corruptions.html``, whole or not at all.

    Args:
        results: of one setting on the corrupted images.
        groups: which image is which.
        directory: of the page; made if absent.
        errors: corruption errors of models on these images, where there are any.

    Returns:
        The path of the page; ``None`` where nothing was measured on a whole base image.

    Raises:
        UsageError: the directory cannot be written.
    """
    rows = group_rows(results, groups, errors)
    if not rows:
        return None
    page = directory / f"{slug(results.setting.dataset)}-corruptions.html"
    return write(page, (results, groups, rows), lambda: (_render(results, groups, rows), {}))


def _render(results: Results, groups: Groups, rows: Sequence[GroupRow]) -> str:
    attacks = list(attack_names(results).values())
    return (
        environment()
        .get_template("groups.html.j2")
        .render(
            lead=lead_of(results, groups, {row.name: row.tables[0] for row in rows}, attacks, INTERVALS),
            results=results,
            setting=results.setting,
            groups=groups,
            rows=rows,
            images=rows[0].tables[0].images,
            columns=("clean", *(f"ε = {text}" for text in eps_texts(results.setting.eps))),
            benchmark=BENCHMARK,
            whole=is_whole(groups.names),
            side=SIDES.get(groups.constants),
        )
    )


def group_rows(
    results: Results, groups: Groups, errors: Mapping[Key, CorruptionErrors] | None = None
) -> list[GroupRow]:
    """One row a model; none where not even one base image was measured under everything."""
    if results.setting.n < groups.block:
        return []
    known = errors or {}
    return [_row(model, groups, known.get(key_of(model.info, results.setting))) for model in results.models]


def _row(model: ModelResult, groups: Groups, errors: CorruptionErrors | None) -> GroupRow:
    worst = model.worst() if model.curves else ()
    outcomes = (model.clean.correct, *worst)
    return GroupRow(model.info.name, tuple(by_group(outcome, groups) for outcome in outcomes), errors)
