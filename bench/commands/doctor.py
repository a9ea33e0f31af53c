"""``bench doctor``: is this installation fit to measure?"""

from __future__ import annotations

import dataclasses
import json
from argparse import Namespace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from bench.commands.alike import like
from bench.commands.machine import diagnose

_MARKS = {"ok": "[green]ok  [/]", "warn": "[yellow]warn[/]", "fail": "[red]fail[/]"}


def execute(options: Namespace) -> int:
    """Prints every finding; 1 if one is a failure, or with ``--like`` if versions differ."""
    findings = diagnose() if options.like is None else like(Path(options.like))
    if options.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings]))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for finding in findings:
            console.print(f"{_MARKS[finding.status]} {escape(finding.what)}: {escape(finding.detail)}")
            if finding.remedy:
                console.print(f"     → {escape(finding.remedy)}")
    bad = ("fail",) if options.like is None else ("fail", "warn")
    return 1 if any(finding.status in bad for finding in findings) else 0
