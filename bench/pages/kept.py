"""Keeps an old page if the new one lacks some of its measurements: without the store they cannot be drawn again."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from bench.engine.files import write_atomically
from zoo.notes import note_once

FOLDER = "kept"
# sections with measurements of their own, and their names
MEASURED = {
    "audit": "audits",
    "variation": "several seeds",
    "spatial": "rotations and translations",
    "others": "other settings",
    "clever": "CLEVER scores",
}
_SECTION = re.compile(r'<section id="([\w-]+)"')


def keep(page: Path, html: str) -> None:
    """Copies the old page into ``kept/`` beside it, with a message, if the new one lacks measurements of it.

    Raises:
        OSError: it cannot be written.
    """
    try:
        old = page.read_text("utf-8", errors="replace")
    except OSError:
        return
    lost = [
        what
        for id, what in MEASURED.items()
        if id in _SECTION.findall(old) and id not in _SECTION.findall(html)
    ]
    if not lost:
        return
    name = f"{page.stem}-{hashlib.sha256(old.encode()).hexdigest()[:8]}{page.suffix}"
    (page.parent / FOLDER).mkdir(exist_ok=True)
    write_atomically(page.parent / FOLDER / name, old.encode("utf-8", "replace"))
    note_once(
        f"{page.name} had {' and '.join(lost)} that this store lacks; the old page is "
        f"{page.parent / FOLDER / name}, and bench store merge DIR adds another store's measurements"
    )
