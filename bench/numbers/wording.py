"""Verdicts, differences and p-values in words."""

from __future__ import annotations

from bench.numbers.contrast import Part

HOLDS, FAILS, UNTOLD = "holds", "does not hold", "undecided here"
VERDICTS = (HOLDS, FAILS, UNTOLD)


def difference_text(part: Part) -> str:
    """``+3.2 points (+1.0 to +5.4)``, or an accuracy where there is only one model; with the bound if not 0."""
    of = part.difference
    if part.single:
        text = f"{100 * of.value:.1f} % ({100 * of.lo:.1f} to {100 * of.hi:.1f})"
    else:
        text = f"{points_text(of.value)} points ({points_text(of.lo)} to {points_text(of.hi)})"
    if part.bound:
        text += f", to be {'above' if part.sign > 0 else 'below'} {100 * part.bound:g}".replace("-", "−")
    if part.majority:
        text += f", ahead under {part.ahead} of {part.conditions} corruptions"
    return text


def points_text(value: float) -> str:
    """A difference of fractions in points: ``+3.2`` or ``−0.4``."""
    return f"{100 * value:+.1f}".replace("-", "−")


def p_text(p: float) -> str:
    """``p = 0.012`` or ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.0995 else f"p = {p:.2f}"
