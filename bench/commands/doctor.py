"""``bench doctor``: is this installation fit to measure?"""

from __future__ import annotations

import dataclasses
import json
from argparse import Namespace

from rich.console import Console
from rich.markup import escape

from bench.doctor import diagnose

_MARKS = {"ok": "[green]ok  [/]", "warn": "[yellow]warn[/]", "fail": "[red]fail[/]"}


def execute(options: Namespace) -> int:
    """Prints every finding; 1 if one is a failure."""
    findings = diagnose()
    if options.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings]))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for finding in findings:
            console.print(f"{_MARKS[finding.status]} {escape(finding.what)}: {escape(finding.detail)}")
            if finding.remedy:
                console.print(f"     → {escape(finding.remedy)}")
    return 1 if any(finding.status == "fail" for finding in findings) else 0
