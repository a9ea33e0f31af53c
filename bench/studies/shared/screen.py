"""Lines on stderr, and numbers as tables of the terminal show them."""

from __future__ import annotations

import sys

from bench.numbers.stats import Share


def say(text: str) -> None:
    """One line on stderr."""
    print(text, file=sys.stderr)


def percent(share: Share) -> str:
    """A share as ``97.2 [95.0, 98.5]``, in percent."""
    return f"{100 * share.value:.1f} [{100 * share.lo:.1f}, {100 * share.hi:.1f}]"
