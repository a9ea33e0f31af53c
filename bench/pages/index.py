"""The index of a folder of pages: the finding of each, read from the pages themselves."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.engine.files import write_atomically
from bench.pages.environment import environment

NAME = "index.html"
_HEAD = 40_000  # characters at the start of a page that contain its head, before the style
_OURS = re.compile(r'<meta name="symbench-digest" [^>]*?(?:data-drawn="([^"]*)")?>')
_SUMMARY = re.compile(r'<meta name="symbench-page" content="([^"]*)">')
_TITLE = re.compile(r"<title>(.*?)</title>", re.S)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """A page.

    Attributes:
        file: its name.
        study, dataset, finding, verdict, about: as in ``bench.pages.lead.Lead``; ``finding`` is empty for a page of an
            older version, which ``study`` has the title of.
        failed: number of failed cells.
        drawn: the day it was drawn, as ``2026-11-28``; empty if unknown.
    """

    file: str
    study: str
    dataset: str
    finding: str
    verdict: str
    about: str
    failed: int
    drawn: str


def write_index(directory: Path) -> Path:
    """Writes ``<directory>/index.html`` of the pages there, unless it is the same already; its path.

    Raises:
        OSError: it cannot be written.
    """
    index = directory / NAME
    data = _rendered(entries(directory)).encode("utf-8", "replace")
    if not index.exists() or index.read_bytes() != data:
        write_atomically(index, data)
    return index


def entries(directory: Path) -> list[IndexEntry]:
    """The pages of a folder by data set and study; files that are no pages of this package are left out."""
    found = (_entry(page) for page in directory.glob("*.html") if page.name != NAME)
    return sorted((each for each in found if each), key=lambda each: (each.dataset, each.study, each.file))


def _entry(page: Path) -> IndexEntry | None:
    try:
        with page.open(encoding="utf-8", errors="replace") as file:
            head = file.read(_HEAD)
    except OSError:
        return None
    ours = _OURS.search(head)
    if not ours:
        return None
    told = _SUMMARY.search(head)
    fields = json.loads(html.unescape(told[1])) if told else _of_title(head, page)
    return IndexEntry(file=page.name, drawn=ours[1] or "", **fields)


def _of_title(head: str, page: Path) -> dict[str, Any]:
    """The entry of a page of an older version, from its title."""
    title = _TITLE.search(head)
    dataset, _, study = html.unescape(title[1]).partition(": ") if title else ("", "", "")
    return {
        "study": study or page.stem,
        "dataset": dataset or page.stem,
        "finding": "",
        "verdict": "",
        "about": "",
        "failed": 0,
    }


def _rendered(found: Sequence[IndexEntry]) -> str:
    datasets = {
        dataset: [each for each in found if each.dataset == dataset] for dataset in (e.dataset for e in found)
    }
    return environment().get_template("index.html.j2").render(title="Results", datasets=datasets)
