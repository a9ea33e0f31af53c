"""Certificates of one setting as an HTML page with its figures, and their rows in ``certificates.csv`` beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from bench.leaderboard import table_file
from bench.numbers.eps import eps_text
from bench.pages.format import slug
from bench.pages.frame import environment, write
from bench.studies.certify.collect import radii_of
from bench.studies.certify.lead import lead_of
from bench.studies.certify.results import CertifyResult, CertifyResults, CertifySetting
from bench.studies.certify.rows import COLUMNS, IDENTITY, NAME, certificate_rows

METHODS = {"ibp": "interval bounds", "lipschitz": "Lipschitz bound", "smoothing": "smoothing"}


def write_certify_page(results: CertifyResults, others: Sequence[CertifyResults], directory: Path) -> Path:
    """Writes ``<data set>-certify.html`` or, of smoothing, ``<data set>-smoothing.html``, its figures and all rows.

    Args:
        results: the results on the page.
        others: earlier settings of the same data set and method; their curves stand beside these where only the noise
            differs, and compact tables at the end.
        directory: of these files; made if absent.

    Returns:
        The path of the page.

    Raises:
        UsageError: the directory cannot be written, or holds another ``certificates.csv``.
    """
    ending = "smoothing" if results.setting.options.smooth else "certify"
    stem = f"{slug(results.setting.dataset)}-{ending}"
    page = directory / f"{stem}.html"
    written = write(page, (results, others), partial(_render, results, others, stem))
    rows = [row for each in (results, *others) for row in certificate_rows(each)]
    table_file.merge(directory / NAME, rows, COLUMNS, IDENTITY)
    return written


def _render(
    results: CertifyResults, others: Sequence[CertifyResults], stem: str
) -> tuple[str, dict[str, bytes]]:
    """The page, and the files of its figures by name."""
    curves, panels, files = (), (), {}
    if results.models:
        from bench.studies.certify.curves import draw_curves
        from bench.studies.certify.figures import draw_certificates

        curves, files = draw_curves(_by_noise(results, others), stem)
        drawn = [model for model in results.models if model.right.any()]
        if drawn:
            svgs, more = draw_certificates(drawn, results.setting, stem)
            panels, files = tuple(zip(drawn, svgs, strict=True)), files | more
    templates = environment()
    templates.filters |= {"eps": eps_text}
    html = templates.get_template("certify.html.j2").render(
        lead=lead_of(results),
        results=results,
        setting=results.setting,
        options=results.setting.options,
        violations=results.violations(),
        by_chance=max(map(results.by_chance, results.models), default=0),
        curves=curves,
        panels=panels,
        others=others,
        methods=METHODS,
        median=median,
        looseness=looseness,
        most=_most(results.setting),
    )
    return html, files


def _by_noise(results: CertifyResults, others: Sequence[CertifyResults]) -> list[CertifyResults]:
    """The results, and the newest of each other σ that differ from them in the noise alone, in order of σ."""
    found = {results.setting.options.sigma: results}
    for each in others:
        if _but_noise(each.setting) == _but_noise(results.setting):
            found.setdefault(each.setting.options.sigma, each)
    return sorted(found.values(), key=lambda each: each.setting.options.sigma or 0.0)


def _but_noise(setting: CertifySetting) -> CertifySetting:
    return replace(setting, options=replace(setting.options, sigma=None, orbit=False))


def _most(setting: CertifySetting) -> float:
    """The largest radius that smoothing can certify, when all votes are for one class; NaN for other methods."""
    samples = setting.options.samples
    return float(radii_of(setting, np.array([samples]))[0]) if samples else float("nan")


def median(values: np.ndarray) -> float:
    """The middle of (n,) values; NaN counts as infinitely far."""
    return float(np.median(np.where(np.isnan(values), np.inf, values))) if values.size else float("nan")


def looseness(model: CertifyResult) -> float:
    """Median of Lipschitz bound over CLEVER's estimate, over right images with an estimate above 0; NaN for none."""
    if model.bound is None or model.estimate is None:
        return float("nan")
    known = model.right & (model.estimate > 0)
    return float(np.median(model.bound[known] / model.estimate[known])) if known.any() else float("nan")
