"""The paper's tables, figures and claims beside ours as an HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.attacks import Request
from bench.engine.protocols import PROTOCOLS
from bench.numbers.wording import FAILS, HOLDS, difference_text, p_text, points_text
from bench.pages.format import params_text, slug
from bench.pages.frame import environment, write
from bench.studies.paper.across import across_protocols
from bench.studies.paper.compare import PaperRow, as_released, rows, spread_over_corruptions
from bench.studies.paper.lead import alone_on, claim_lines, lead_of
from bench.studies.paper.provenance import origins
from bench.studies.paper.published import PrintedMean, Statement, printed_means, source
from bench.studies.paper.reproduction import COLUMNS, Corrupted, MeasuredModel, Reproduction
from bench.studies.paper.sections import DATASETS, SECTIONS, Section, remedy, statements_of
from bench.studies.paper.settings import points
from bench.studies.paper.trainings import over_trainings
from bench.studies.paper.verdicts import judge
from bench.studies.paper.wording import about_text, eps_text
from bench.studies.robustness.results import Results
from zoo.entries import PAPER_NAMES

if TYPE_CHECKING:
    from bench.studies.paper.figures import PaperCurves

_CLASSES = {HOLDS: "right", FAILS: "wrong"}
# which claims test a statement that is printed without a number for each model
_CLAIMS = {
    ("cifar100", "below 1%"): "baseline-below-1",
    ("cifar10+cifar100", "below 15%"): "below-15",
    ("cifar10+cifar100", "almost negligible"): "negligible",
    ("cifar10+cifar100", "+7 to +15 points"): "deeper-by",
    ("cifar10+cifar100", "+10 to +30 points"): "deeper-by",
}


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a section on one of the paper's data sets, and their figures by model.

    Attributes:
        dataset: of the paper.
        rows: what it prints, with ours.
        beside: by model of ours, rows of the same numbers with a model trained as the released script trains.
        figures: by model.
        ours: what our images are called where they are not those of the paper's data set: corruptions that
            were made here, or some of CIFAR-10-C's; else empty.
        command: that measures what is missing.
    """

    dataset: str
    rows: tuple[PaperRow, ...]
    beside: Mapping[tuple[str, int], PaperRow]
    figures: tuple[PaperCurves, ...]
    ours: str
    command: str

    @property
    def measured(self) -> int:
        """Rows with a number of ours."""
        return sum(any(row.sides) for row in self.rows)

    @property
    def partial(self) -> bool:
        """Whether something is measured and something is not."""
        return self.measured > 0 and not all(all(row.sides) for row in self.rows)

    @property
    def borrowed(self) -> dict[str, str]:
        """Models no script was published for, and whose they are under."""
        sides = ((row.name, side) for row in self.rows for side in row.sides)
        return {name: side.borrowed for name, side in sides if side and side.borrowed}


@dataclass(frozen=True, slots=True)
class PageChapter:
    """A section of the page.

    Attributes:
        section: what it is of.
        sources: how its numbers were read.
        tables: printed accuracies by data set.
        statements: other printed values, each with the id of the claim that tests it; empty where none does.
        asked: whether it was requested.
    """

    section: Section
    sources: tuple[str, ...]
    tables: tuple[Table, ...]
    statements: tuple[tuple[Statement, str], ...]
    asked: bool


@dataclass(frozen=True, slots=True)
class SpreadRow:
    """Table 1's Mean and Std of a model at one ε, and by column the spread of ours over corruptions."""

    printed: PrintedMean
    ours: tuple[float | None, ...]


def write_reproduction(reproduction: Reproduction, directory: Path) -> Path:
    """Writes ``<directory>/paper-<data set>.html``, self-contained, whole or not at all; its path.

    The figure of models under protocols is also written to ``figures/`` beside it.

    Raises:
        UsageError: the directory cannot be written.
    """
    stem = f"paper-{slug(reproduction.dataset)}"
    return write(directory / f"{stem}.html", reproduction, partial(_render, reproduction, stem))


def chapters(reproduction: Reproduction, stem: str = "") -> tuple[PageChapter, ...]:
    """All sections in order; every printed row is in exactly one of them."""
    return tuple(_chapter(reproduction, section, stem) for section in SECTIONS.values())


def spread_rows(reproduction: Reproduction) -> tuple[SpreadRow, ...]:
    """Table 1's rows Mean and Std, with the spread of ours over the corruptions measured."""
    columns = [reproduction.corrupted_column(column) for column in COLUMNS]
    return tuple(
        SpreadRow(
            printed,
            tuple(_spread(models.get(PAPER_NAMES[printed.model, 10]), printed.eps) for models in columns),
        )
        for printed in printed_means()
    )


def _spread(found: tuple[Corrupted, MeasuredModel] | None, eps: float) -> float | None:
    if found is None or not found[0].bases or found[1].at("pgd", eps) is None:
        return None
    return spread_over_corruptions(*found, eps) if len(found[0].groups.names) > 1 else None


def _chapter(reproduction: Reproduction, section: Section, stem: str) -> PageChapter:
    found = rows(reproduction, section.id)
    said = statements_of(section.id)
    files = dict.fromkeys([*(row.published.file for row in found), *(each.file for each in said)])
    return PageChapter(
        section,
        tuple(source(file) for file in files),
        tuple(_tables(reproduction, section, found, stem)),
        tuple((each, _CLAIMS.get((each.dataset, each.value), "")) for each in said),
        not reproduction.sections or section.id in reproduction.sections,
    )


def _tables(
    reproduction: Reproduction, section: Section, found: Sequence[PaperRow], stem: str
) -> list[Table]:
    from bench.studies.paper.figures import curve_figures

    tables = []
    for dataset in dict.fromkeys(row.published.dataset for row in found):
        inside = tuple(row for row in found if row.published.dataset == dataset)
        beside = as_released(reproduction, section.id, dataset)
        drawn = (*inside, *beside) if section.id != "text" else ()
        figures = curve_figures(drawn, f"{stem}-{section.id}-{dataset}")
        places = {(row.published.file, row.published.line): row for row in beside}
        whole = dataset != "cifar10c" or all(each.whole for each in reproduction.corrupted)
        ours = "" if whole else reproduction.corrupted_called
        tables.append(Table(dataset, inside, places, tuple(figures), ours, inside[0].command))
    return tables


def _attacks(sets: Sequence[Results]) -> list[tuple[str, str]]:
    """What was run, by protocol: the attacks with their parameters, each once."""
    found: dict[tuple[str, Request], str] = {}
    for each in sets:
        for curve in (curve for model in each.models for curve in model.curves):
            found[each.setting.protocol, curve.request] = curve.library
    return [
        (protocol, f"{request.label}: {library}, {params_text(request)}".removesuffix(", "))
        for (protocol, request), library in found.items()
    ]


def _sets(reproduction: Reproduction) -> list[Results]:
    return [*reproduction.results, *(each.results for each in reproduction.corrupted)]


def _render(reproduction: Reproduction, stem: str) -> tuple[str, dict[str, bytes]]:
    """The page, and the files of its figures by name."""
    from bench.studies.paper.figures import across_figure

    across = across_protocols(reproduction)
    figure, files = across_figure(across, stem) if across.shares else ("", {})
    sets = _sets(reproduction)
    judged = judge(reproduction)
    labels = {each.setting.protocol for each in sets}
    templates = environment()
    templates.filters |= {
        "difference": difference_text,
        "p": p_text,
        "points": points_text,
        "eps": eps_text,
        "about": about_text,
        "dataset": _dataset,
    }
    html = templates.get_template("reproduce.html.j2").render(
        lead=lead_of(reproduction, judged),
        lines=claim_lines(judged),
        alone_on=alone_on(judged),
        reproduction=reproduction,
        columns=COLUMNS,
        classes=_CLASSES,
        points=points(reproduction),
        judged=judged,
        chapters=chapters(reproduction, stem),
        across=across,
        across_figure=figure,
        spreads=spread_rows(reproduction),
        mip_command=_removal_command(reproduction),
        trainings=over_trainings(reproduction),
        train_command=_train_command(reproduction),
        origins=origins(reproduction),
        sets=sets,
        attacks=_attacks(sets),
        protocols=[protocol for protocol in PROTOCOLS.values() if protocol.label in labels],
    )
    return html, files


def _removal_command(reproduction: Reproduction) -> str:
    here = reproduction.beside == "cifar10"  # Figure 5 is of its images
    return remedy(["figure5"], "cifar10", reproduction.data_options if here else "")


def _train_command(reproduction: Reproduction) -> str:
    """What would train and measure a second run of a model and more."""
    measure = f"bench reproduce --all {reproduction.data_options} --budget full"
    return f"bench train baseline_cnn@1 {reproduction.train or reproduction.data_options} && {measure}"


def _dataset(name: str) -> str:
    return DATASETS.get(name, name)
