"""An audit on the terminal."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.studies.audit import CHECKS, Audit
from bench.studies.audit.collect import AuditResults
from bench.studies.shared.terminal import Name

COLOURS = {"believable": "green", "upper_bound": "yellow", "not_believable": "red"}


def audit_table(results: AuditResults) -> None:
    """Prints each model's verdict, and every check that was flagged with what it means."""
    setting = results.setting.base
    table = Table(
        title=f"{escape(setting.dataset)}: {results.setting.mode} audit, n = {setting.n}",
        caption="believable: nothing was found that contradicts the numbers; upper_bound: a stronger "
        "attack breaks more images; not_believable: a check failed that any sound evaluation passes.",
    )
    table.add_column("model", max_width=24)
    table.add_column("verdict")
    table.add_column("what was flagged", overflow="fold", ratio=1)
    for audit in results.audits:
        flagged = [each for each in audit.findings if each.status in ("fail", "warn")]
        lines = [f"first look: {audit.suspect.replace(';', ', ')}"] if audit.suspect else []
        lines += [f"{each.id} {CHECKS[each.id].title}: no. {each.detail}" for each in flagged]
        colour = COLOURS[audit.verdict]
        shown = [*(lines or ["nothing"]), *_too_few(audit)]
        table.add_row(Name(audit.model), f"[{colour}]{audit.verdict}[/]", escape("\n".join(shown)))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _too_few(audit: Audit) -> list[str]:
    """A line on the checks that more images would make, if there are any."""
    ids = [each.id for each in audit.findings if each.takes is not None]
    return [f"skipped for too few images: {', '.join(ids)}"] if ids else []
