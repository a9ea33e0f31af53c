"""Lines on stderr, and numbers for tables of the terminal."""

from __future__ import annotations

import sys

from bench.numbers.stats import Share


def say(text: str) -> None:
    """One line on stderr."""
    print(text, file=sys.stderr)


def percent(share: Share) -> str:
    """A share as ``97.2±2.2``, in percent; the number after ± covers the interval on both sides."""
    return f"{100 * share.value:.1f}±{100 * max(share.hi - share.value, share.value - share.lo):.1f}"
