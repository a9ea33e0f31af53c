"""Results as a page to read: one self-contained HTML file and its figures as SVG and PNG.

Importing this package loads no drawing or template library; ``write`` does when it is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.studies.audit.collect import AuditResults
    from bench.studies.robustness.results import Results

__all__ = ["write"]


def write(
    results: Results,
    others: Sequence[Results],
    directory: Path,
    *,
    data_note: str = "",
    audits: Sequence[AuditResults] = (),
    verdicts: Mapping[tuple[str, str], str] | None = None,
) -> Path:
    """Draw the page of one setting and write it with its figures, each file whole or not at all.

    Args:
        results: the results on the page.
        others: earlier settings of the same data set, shown as compact tables at the end.
        directory: where ``<data set>.html`` and ``figures/`` go; made if absent.
        data_note: a sentence about the data set for the head of the page.
        audits: the newest audit of each model, in one or several settings.
        verdicts: by (weights, data), of audits that are not at hand (``bench.studies.attacked.carried``).

    Returns:
        The path of the page.

    Raises:
        UsageError: the directory cannot be written.
    """
    from bench.studies.attacked.page import write_page

    return write_page(results, others, directory, data_note, audits, verdicts or {})
