"""One setting's results as an HTML page with its figures beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import ranking
from bench.errors import UsageError
from bench.protocols import PROTOCOLS, released_rules
from bench.report import tables
from bench.report.format import (
    attack_names,
    eps_texts,
    interval,
    norm_text,
    params_text,
    percent,
    seconds,
    significant,
    slug,
)
from bench.report.style import FEW

if TYPE_CHECKING:
    import jinja2
    import markupsafe

    from bench.ranking import Standing
    from bench.report.figures import Figures
    from bench.results import Results

_TEMPLATES = Path(__file__).parent / "templates"
_MOST_SAMPLES = 4


@dataclass(frozen=True, slots=True)
class Headline:
    """The headline table of one setting; ``eps`` are the texts of its grid, ``rules`` those of its protocol."""

    results: Results
    attacks: str
    eps: tuple[str, ...]
    ranked: tuple[Standing, ...]
    unranked: tuple[Standing, ...]
    rules: str


def write_page(results: Results, others: Sequence[Results], directory: Path, data_note: str) -> Path:
    """See ``bench.report.write``."""
    stem = slug(results.setting.dataset)
    page = directory / f"{stem}.html"
    lines = ranking.standings(results)
    figures = _draw(results, lines, stem)
    save(page, _render(results, lines, others, figures, data_note), figures.files if figures else {})
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
    """The figures, or ``None`` where no model has a result to draw."""
    if not lines:
        return None
    from bench.report.figures import draw

    return draw(results, lines, stem)


def _render(
    results: Results,
    lines: Sequence[Standing],
    others: Sequence[Results],
    figures: Figures | None,
    data_note: str,
) -> str:
    setting = results.setting
    names = attack_names(results)
    eps = eps_texts(setting.eps)
    shown = dict(zip(setting.eps, eps, strict=True))
    middle = len(eps) // 2
    released = released_rules(setting.protocol) is not None
    template = environment().get_template("page.html.j2")
    return template.render(
        results=results,
        setting=setting,
        data_note=data_note,
        headline=_headline(results, lines),
        lines=lines,
        eps=eps,
        figures=figures,
        by_recipe=len(lines) > FEW,
        galleries=[
            (line.name, tables.pictures(line.result, results.classes, shown)[:_MOST_SAMPLES])
            for line in lines
            if line.result.samples
        ],
        class_counts=tables.class_counts(results) if lines else (),
        class_rows=tables.class_rows(results, lines, middle),
        class_eps=eps[middle] if eps else "",
        attacks=[
            (name, _libraries(results, request), params_text(request)) for request, name in names.items()
        ],
        attack_blocks=tables.attack_blocks(lines, list(names), eps),
        rules=_rules(results),
        released=released,
        moved=tables.moved(results) if released and lines else (),
        others=[_headline(other, ranking.standings(other)) for other in others],
    )


def _headline(results: Results, lines: Sequence[Standing]) -> Headline:
    return Headline(
        results,
        ranking.attack_label(results),
        eps_texts(results.setting.eps),
        tuple(line for line in lines if line.rank is not None),
        tuple(line for line in lines if line.rank is None),
        _rules(results),
    )


def _rules(results: Results) -> str:
    """The protocol in words; empty if it is not one of this version."""
    label = results.setting.protocol
    protocol = PROTOCOLS.get(label.partition("/")[0])
    return protocol.summary if protocol and protocol.label == label else ""


def _libraries(results: Results, request: object) -> str:
    """The library versions that ran an attack; more than one where cells of an older run were kept."""
    found = {c.library for model in results.models for c in model.curves if c.request == request}
    return ", ".join(sorted(found))


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
    return environment
