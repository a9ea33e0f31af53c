"""Audits and spatial attacks made by hand, and pages read as text."""

from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from bench.attacks import Request, parse_requests
from bench.studies import attacked as report
from bench.studies.attacked.figures import Figures
from bench.studies.attacked.page import _render
from bench.studies.audit import CHECKS, Audit, Finding
from bench.studies.audit.collect import AuditResults
from bench.studies.audit.plan import AuditSetting
from bench.studies.audit.section import audit_blocks, marks
from bench.studies.robustness import ranking
from bench.studies.robustness.results import Curve, Results

VOID = {"meta", "br", "wbr", "img", "input", "hr", "link"}
Flags = Mapping[str, Mapping[str, Finding]]


class Balanced(HTMLParser):
    """Notes every end tag that closes something else than what was opened last."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"{tag} at {self.getpos()}")


def flag(id: str, detail: str = "", images: Sequence[int] = ()) -> Finding:
    status = "fail" if CHECKS[id].kind == "fatal" else "warn"
    said = detail or f"What was found of {id}."
    return Finding(id=id, status=status, value=1.0, threshold=0.5, detail=said, images=tuple(images))


def skip(id: str, reason: str) -> Finding:
    return Finding(id=id, status="skip", value=None, threshold=None, detail=reason)


def made(results: Results, found: Flags, mode: str = "quick", **eps: float) -> AuditResults:
    """Audits of the named models; what is not given passed."""
    infos = [model.info for model in results.models if model.info.name in found]
    ids = [check.id for check in CHECKS.values() if mode in check.modes]
    audits = tuple(
        Audit(
            model=info.name,
            weights=info.weights,
            mode=mode,
            findings=tuple(
                found[info.name].get(id)
                or Finding(id=id, status="pass", value=0.0, threshold=None, detail="Nothing.")
                for id in ids
            ),
        )
        for info in infos
    )
    return AuditResults(
        setting=AuditSetting(mode=mode, base=results.setting),
        models=tuple(infos),
        audits=audits,
        eps=eps,
        versions={},
        command=f"bench audit --audit {mode} --model {','.join(found)}",
    )


def with_spatial(results: Results, *names: str, at: Sequence[int] = (), **params: float) -> Results:
    """The results with spatial attacks on the models at these places, all by default."""
    requests = parse_requests(names, params=params)

    def curve(request: Request, standing: np.ndarray) -> Curve:
        n = len(standing)
        return Curve(
            request=request,
            library="foolbox==3.3.4",
            standing=standing[None],
            attacked=np.ones((1, n), bool),
            distance=np.full((1, n), np.nan),
            predicted=np.zeros((1, n), np.int64),
            nonfinite=np.zeros((1, n), bool),
            projected=np.zeros((1, n), bool),
            silent=np.zeros((1, n), bool),
            gradients=(0,),
            seconds=(1.0,),
            digest=("d" * 64,),
        )

    models = []
    for place, model in enumerate(results.models):
        stands = model.clean.correct & (np.arange(len(model.clean.correct)) % 3 == 0)
        spatial = tuple(curve(request, stands) for request in requests) if place in at or not at else ()
        models.append(dataclasses.replace(model, spatial=spatial))
    return dataclasses.replace(results, models=tuple(models))


def without_curves(results: Results, *at: int) -> Results:
    models = tuple(
        dataclasses.replace(model, curves=(), samples=()) if place in at else model
        for place, model in enumerate(results.models)
    )
    return dataclasses.replace(results, models=models)


def checked(text: str) -> str:
    """The page, found well-formed and with a target for every reference."""
    parser = Balanced()
    parser.feed(text)
    assert (parser.wrong, parser.open) == ([], [])
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(ids)
    return text


def page(directory: Path, results: Results, *audits: AuditResults) -> str:
    return checked(report.write(results, (), directory, audits=audits).read_text("utf-8"))


def undrawn(results: Results, *audits: AuditResults, others: Sequence[Results] = ()) -> str:
    """The page without figures, which take most of its time."""
    empty = Figures((), "", {}) if any(model.curves for model in results.models) else None
    return checked(
        _render(
            results,
            ranking.standings(results),
            others,
            empty,
            "",
            marks=marks(audits),
            audits=[(block, "") for block in audit_blocks(audits)],
        )
    )


def words(text: str) -> str:
    """A page as read: without tags, figures and style, spaces joined."""
    bare = re.sub(r"<(svg|style|script)\b.*?</\1>", "", text, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", bare)).split())
