"""README and documentation as tests read them: blocks of code, commands, links, headings."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", ROOT / "benchmarks/README.md", *sorted((ROOT / "docs").glob("*.md")))
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(((?!\w+:)[^)\s]+)\)")


def blocks(document: Path, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return [text for kind, text in _BLOCK.findall(document.read_text()) if kind == language]


def block(document: Path, language: str, containing: str) -> str:
    """The one block that contains a text."""
    (found,) = [text for text in blocks(document, language) if containing in text]
    return found


def commands(document: Path) -> list[list[str]]:
    """Every ``bench`` command as its arguments, without comments."""
    lines = "\n".join(blocks(document, "sh")).replace("\\\n", " ").splitlines()
    parts = [part for line in lines for part in line.split("#")[0].split("&&")]
    words = [shlex.split(part) for part in parts if "bench " in part]
    return [each[1:] for each in words if each[0].removeprefix(".venv/bin/") == "bench"]


def links(document: Path) -> list[str]:
    """Targets of links and pictures inside the repository."""
    return _LINK.findall(_prose(document))


def anchors(document: Path) -> set[str]:
    """What may stand after # in a link to a document."""
    headings = re.findall(r"^#+ (.+)$", _prose(document), flags=re.MULTILINE)
    return {_anchor(heading) for heading in headings}


def _anchor(heading: str) -> str:
    words = re.sub(r"[^\w\s-]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)).strip().lower()
    return re.sub(r"\s", "-", words)


def _prose(document: Path) -> str:
    return _BLOCK.sub("", document.read_text())
