"""The ranked table of models under attacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.engine.protocols import released_rules
from bench.leaderboard.marks import (
    BELIEVABLE,
    NOT_BELIEVABLE,
    OF_NUMBERS,
    ONE_STEP,
    ROWS,
    UPPER_BOUND,
    level_of,
    on_numbers,
    verdict_of,
)
from bench.numbers.eps import eps_texts
from bench.studies.attacked.spatial import SpatialTable, spatial_table
from bench.studies.robustness.names import attack_names
from bench.studies.robustness.ranking import Standing, standings
from bench.studies.robustness.results import Results, Setting
from bench.studies.shared.screen import percent
from bench.studies.shared.terminal import Name, print_table

SIGNS = {NOT_BELIEVABLE: "✗", UPPER_BOUND: "≤", BELIEVABLE: "✓"}


def ranked_table(results: Results, verdicts: Mapping[tuple[str, str], str] | None = None) -> None:
    """Prints the models best first: clean accuracy, worst case over the attacks at each ε, and the mean.

    Spatial attacks follow in a table of their own, for no ball contains them.

    Args:
        results: what was measured.
        verdicts: the audit's verdicts with their level by (weights, data), for marks beside the names.
    """
    lines, setting = standings(results), results.setting
    if released_rules(setting.protocol) is not None:
        verdicts = None  # no audit is of a released protocol
    if attack_names(results):
        heads = ["rank", "", "model", "clean", *(f"ε {eps}" for eps in eps_texts(setting.eps)), "mean"]
        print_table(
            f"{setting.dataset}: accuracy in % under {_ranked_under(results, lines)} ({setting.norm}, "
            f"{setting.curve}), n = {setting.n}",
            heads,
            [_cells(line, setting, verdicts) for line in lines],
            "± covers the 95 % interval."
            + _about_ranks(lines)
            + _about_other_runs(lines)
            + _about_numbers(setting)
            + _about_marks(lines, setting, verdicts),
            left=("", "model"),
        )
    if spatial := spatial_table(results, lines):
        _print_spatial(setting, spatial)


def _ranked_under(results: Results, lines: Sequence[Standing]) -> str:
    """Names of the attacks of the ranked group; other runs are named if they count."""
    names = attack_names(results)
    ranked = next(line for line in lines if line.rank is not None)
    attacks = ", ".join(names[curve.request] for curve in ranked.result.curves)
    return f"{attacks} and attacks of other runs" if _lowered(lines) else attacks


def _lowered(lines: Sequence[Standing]) -> bool:
    """Whether attacks of other runs lower a number of the table."""
    return any(line.worst != line.own for line in lines)


def _mark(line: Standing, setting: Setting, verdicts: Mapping[tuple[str, str], str] | None) -> str:
    """The audit's mark, or that another run got further or these numbers are of one step; empty for none."""
    if verdicts is None:
        return ""
    mark = verdicts.get((line.result.info.weights, setting.data), "")
    return on_numbers(mark, beaten=line.beaten is not None, single_step=line.result.single_step)


def _cells(
    line: Standing, setting: Setting, verdicts: Mapping[tuple[str, str], str] | None
) -> list[str | Name]:
    """A model's line: ranks, the sign of its verdict, name and numbers."""
    shares = (line.clean, *line.worst) if line.result.curves else (line.clean,)
    mean = [f"{100 * line.mean_worst.value:.1f}"] if line.result.curves else []
    sign = SIGNS.get(verdict_of(_mark(line, setting, verdicts)), "")
    return [line.ranks, sign, Name(line.name), *map(percent, shares), *mean]


def _about_ranks(lines: Sequence[Standing]) -> str:
    """What a range of ranks means; two models need no words for it."""
    if len(lines) < 3:
        return ""
    return (
        " Rank 3–7 means: two models are significantly better, and the tests allow any rank from 3 to 7; two models "
        "whose ranges do not overlap differ significantly."
    )


def _about_other_runs(lines: Sequence[Standing]) -> str:
    return " --worst-of run counts the attacks of this run alone." if _lowered(lines) else ""


def _about_numbers(setting: Setting) -> str:
    if released_rules(setting.protocol) is not None:
        return f" Protocol {setting.protocol}: ε in its own units, not robust accuracies."
    return " Attacks give upper bounds on robust accuracy."


def _about_marks(
    lines: Sequence[Standing], setting: Setting, verdicts: Mapping[tuple[str, str], str] | None
) -> str:
    """The meaning of the marks in the table; nothing if no verdicts are requested."""
    if verdicts is None:
        return ""
    found = {_mark(line, setting, verdicts) for line in lines}
    if found == {""}:
        return " Not audited: see bench audit."
    audits = {verdict_of(mark) for mark in found - {*OF_NUMBERS}}
    levels = sorted({level_of(mark) for mark in found - {"", *OF_NUMBERS}})
    texts = (
        (NOT_BELIEVABLE in audits, " ✗: an audit found that these numbers are no evidence of robustness."),
        (UPPER_BOUND in audits, " ≤: an audit found that a stronger attack breaks more images."),
        (
            ROWS in found,
            " ≤ (rows): an attack of another run leaves significantly fewer images, and counts here.",
        ),
        (ONE_STEP in found, " ≤ (one step): FGSM is a weak attack; add pgd to --attacks."),
        (
            BELIEVABLE in audits,
            f" ✓: a {' or '.join(levels)} audit found nothing that contradicts the numbers.",
        ),
        ("" in found, " No sign: not audited."),
    )
    return "".join(text for holds, text in texts if holds)


def _print_spatial(setting: Setting, spatial: SpatialTable) -> None:
    rows = [
        [Name(name), percent(clean), *("–" if s is None else percent(s) for s in shares)]
        for name, clean, shares in spatial.rows
    ]
    print_table(
        f"{setting.dataset}: accuracy in % under rotations and translations, n = {setting.n}",
        ["model", "clean", *(name for name, _, _ in spatial.attacks)],
        rows,
        "; ".join(f"{name}: {tried}" for name, _, tried in spatial.attacks),
        left=("model",),
    )
