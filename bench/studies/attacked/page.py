"""One setting's results as an HTML page with its figures beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.numbers.eps import eps_texts
from bench.pages.designs import from_abstracts
from bench.pages.format import slug
from bench.pages.frame import environment, write
from bench.pages.style import FEW
from bench.studies.attacked import tables
from bench.studies.attacked.carried import page_marks
from bench.studies.attacked.headline import headline
from bench.studies.attacked.lead import lead_of
from bench.studies.attacked.passes import passes_blocks
from bench.studies.attacked.spatial import spatial_table
from bench.studies.attacked.variation import variation
from bench.studies.audit import CHECKS
from bench.studies.audit import section as audit_section
from bench.studies.robustness import ranking
from bench.studies.robustness.names import attack_names, spatial_names
from bench.studies.shared.request_file import as_file

if TYPE_CHECKING:
    from bench.studies.attacked.figures import Figures
    from bench.studies.audit.collect import AuditResults
    from bench.studies.audit.section import AuditBlock, Marks
    from bench.studies.robustness.ranking import Standing
    from bench.studies.robustness.results import Results

_TEMPLATES = Path(__file__).parent / "templates"
_MOST_SAMPLES, _MOST_PICTURES = 4, 40  # samples of a model, and in all: they are most of a page's size


def write_page(
    results: Results,
    others: Sequence[Results],
    directory: Path,
    data_note: str,
    audits: Sequence[AuditResults] = (),
    verdicts: Mapping[tuple[str, str], str] | None = None,
) -> Path:
    """See ``bench.studies.attacked.write``."""
    stem = slug(results.setting.dataset)
    content = (results, others, data_note, audits, verdicts or {})
    return write(directory / f"{stem}.html", content, partial(_drawn, *content, stem))


def _drawn(
    results: Results,
    others: Sequence[Results],
    data_note: str,
    audits: Sequence[AuditResults],
    verdicts: Mapping[tuple[str, str], str],
    stem: str,
) -> tuple[str, dict[str, bytes]]:
    """The page, and the files of its figures by name."""
    lines = ranking.standings(results)
    figures = _draw(results, [line for line in lines if line.result.curves], stem)
    blocks = audit_section.audit_blocks(audits)
    grids, files = _draw_audits(blocks, stem)
    html = _render(
        results,
        lines,
        others,
        figures,
        data_note,
        marks=page_marks(verdicts, audit_section.marks(audits)),
        audits=list(zip(blocks, grids, strict=True)),
    )
    return html, {**(figures.files if figures else {}), **files}


def _draw(results: Results, lines: Sequence[Standing], stem: str) -> Figures | None:
    """The figures, or ``None`` where no model has a curve to draw."""
    if not lines:
        return None
    from bench.studies.attacked.figures import draw

    return draw(results, lines, stem)


def _samples(models: int) -> int:
    """The number of samples of each model on a page of ``models`` models."""
    return max(1, min(_MOST_SAMPLES, _MOST_PICTURES // models))


def _draw_audits(blocks: Sequence[AuditBlock], stem: str) -> tuple[list[str], dict[str, bytes]]:
    """A grid for each block, as SVG for the page and as files; the first is ``…-audit``, then ``…-audit-2``."""
    grids: list[str] = []
    files: dict[str, bytes] = {}
    if blocks:
        from bench.studies.audit.figure import draw_audit

        for i, block in enumerate(blocks):
            svg, drawn = draw_audit(block, f"{stem}-audit-{i + 1}" if i else f"{stem}-audit")
            grids.append(svg)
            files |= drawn
    return grids, files


def _render(
    results: Results,
    lines: Sequence[Standing],
    others: Sequence[Results],
    figures: Figures | None,
    data_note: str,
    *,
    marks: Marks,
    audits: Sequence[tuple[AuditBlock, str]],
) -> str:
    setting = results.setting
    names = attack_names(results)
    eps = eps_texts(setting.eps)
    shown = dict(zip(setting.eps, eps, strict=True))
    middle = len(eps) // 2
    attacked = [line for line in lines if line.result.curves]
    table = headline(results, lines, marks)
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            lead=lead_of(table, lines, data_note),
            results=results,
            request_file=as_file(results.command),
            setting=setting,
            headline=table,
            lines=lines,
            attacked=attacked,
            eps=eps,
            figures=figures,
            by_recipe=len(attacked) > FEW,
            abstracts=from_abstracts(line.result.info for line in lines),
            audits=audits,
            checks=audit_section.by_kind(list(CHECKS.values())),
            kinds=audit_section.KINDS,
            few=FEW,
            spatial=spatial_table(results, lines),
            variation=variation(results, others),
            galleries=[
                (line.name, tables.pictures(line.result, results.classes, shown)[: _samples(len(lines))])
                for line in lines
                if line.result.samples
            ],
            class_counts=tables.class_counts(results) if lines else (),
            class_rows=tables.class_rows(results, lines, middle),
            class_eps=eps[middle] if eps else "",
            names=names,
            spatial_names=spatial_names(results),
            costs=tables.costs(results, names),
            attack_blocks=tables.attack_blocks(lines, list(names), eps),
            noted=tables.noted(lines, names, eps),
            passes=passes_blocks(results, lines, names, eps),
            rules=table.rules,
            released=table.released,
            moved=tables.moved(results) if table.released and lines else (),
            others=[headline(other, ranking.standings(other), marks) for other in others],
        )
    )
