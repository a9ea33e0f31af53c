"""One setting's results as an HTML page with its figures beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench import ranking
from bench.audit import CHECKS
from bench.eps import eps_texts
from bench.errors import UsageError
from bench.report import audit_section, tables
from bench.report.format import (
    VERDICTS,
    attack_names,
    interval,
    norm_text,
    percent,
    seconds,
    significant,
    slug,
    spatial_names,
)
from bench.report.headline import headline
from bench.report.spatial import spatial_table
from bench.report.style import FEW
from bench.report.variation import variation

if TYPE_CHECKING:
    import jinja2
    import markupsafe

    from bench.audit_collect import AuditResults
    from bench.ranking import Standing
    from bench.report.audit_section import AuditBlock, Marks
    from bench.report.figures import Figures
    from bench.results import Results

_TEMPLATES = Path(__file__).parent / "templates"
_MOST_SAMPLES = 4


def write_page(
    results: Results,
    others: Sequence[Results],
    directory: Path,
    data_note: str,
    audits: Sequence[AuditResults] = (),
) -> Path:
    """See ``bench.report.write``."""
    stem = slug(results.setting.dataset)
    page = directory / f"{stem}.html"
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
        marks=audit_section.marks(audits),
        audits=list(zip(blocks, grids, strict=True)),
    )
    save(page, html, {**(figures.files if figures else {}), **files})
    return page


def save(page: Path, html: str, figures: Mapping[str, bytes]) -> None:
    """Write a page, and its figures by name into ``figures/`` beside it, each file whole or not at all.

    Raises:
        UsageError: the directory cannot be written.
    """
    directory = page.parent
    try:
        (directory / "figures").mkdir(parents=True, exist_ok=True)
        for name, data in figures.items():
            _replace(directory / "figures" / name, data)
        _replace(page, html.encode("utf-8", "replace"))
    except OSError as error:
        raise UsageError(
            f"cannot write the report to {directory}: {error.strerror}; choose another place with --reports"
        ) from error


def _replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: a reader never sees half a page."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _draw(results: Results, lines: Sequence[Standing], stem: str) -> Figures | None:
    """The figures, or ``None`` where no model has a curve to draw."""
    if not lines:
        return None
    from bench.report.figures import draw

    return draw(results, lines, stem)


def _draw_audits(blocks: Sequence[AuditBlock], stem: str) -> tuple[list[str], dict[str, bytes]]:
    """A grid for each block, as SVG for the page and as files; the first is ``…-audit``, then ``…-audit-2``."""
    grids: list[str] = []
    files: dict[str, bytes] = {}
    if blocks:
        from bench.report.audit_figure import draw_audit

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
            results=results,
            setting=setting,
            data_note=data_note,
            headline=table,
            lines=lines,
            attacked=attacked,
            eps=eps,
            figures=figures,
            by_recipe=len(attacked) > FEW,
            audits=audits,
            checks=audit_section.by_kind(list(CHECKS.values())),
            kinds=audit_section.KINDS,
            few=FEW,
            spatial=spatial_table(results, lines),
            variation=variation(results, others),
            galleries=[
                (line.name, tables.pictures(line.result, results.classes, shown)[:_MOST_SAMPLES])
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
            rules=table.rules,
            released=table.released,
            moved=tables.moved(results) if table.released and lines else (),
            others=[headline(other, ranking.standings(other), marks) for other in others],
        )
    )


def _breakable(name: str) -> markupsafe.Markup:
    """A model's name, escaped, that a narrow column may break after _ and . (neither is in an entity)."""
    import markupsafe

    return markupsafe.Markup(re.sub("([_.])", r"\1<wbr>", str(markupsafe.escape(name))))


def environment() -> jinja2.Environment:
    """Templates and filters of every page."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "interval": interval,
        "seconds": seconds,
        "norm": norm_text,
        "significant": significant,
        "breakable": _breakable,
    }
    environment.globals["verdicts"] = VERDICTS
    return environment
