"""Converts ε from text such as ``8/255`` to numbers and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from bench.errors import UsageError

NORMS: tuple[str, ...] = ("linf", "l2", "l1", "l0")  # the norms in which ε is a radius; l0 counts pixels
_CLOSE = 1e-9
_LARGEST_DENOMINATOR = 1000


def parse_eps(values: Sequence[str | float]) -> tuple[float, ...]:
    """An ascending ε grid, each value once, from numbers or texts such as ``0.03`` and ``8/255``.

    Raises:
        UsageError: a value that is not a number or is negative.
    """
    if not values:
        raise UsageError("no ε was given; name at least one, e.g. --eps 8/255")
    return tuple(sorted({_eps(value) for value in values}))


def _eps(value: str | float) -> float:
    text = str(value).strip()
    top, slash, bottom = text.partition("/")
    try:
        eps = float(top) / float(bottom) if slash else float(text)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"--eps has {text!r}, which is not a number; write e.g. 0.03 or 8/255") from None
    if not math.isfinite(eps) or eps < 0:
        raise UsageError(f"--eps has {text}; ε is a radius in pixel units, images in [0, 1], of 0 or more")
    return eps


def eps_text(eps: float) -> str:
    """One ε: as a decimal of up to three places, else in 255ths such as ``8/255`` or ``0.5/255``, else a fraction."""
    if _is(eps, round(eps, 3)):
        return f"{eps:.6g}"
    return _in_255ths(eps) or _fraction(eps) or f"{eps:.6g}"


def eps_texts(grid: Sequence[float]) -> tuple[str, ...]:
    """An ε grid in its natural form; one that is all multiples of 1/255 is written so, though 51/255 is also 0.2."""
    texts = tuple(map(eps_text, grid))
    whole = [f"{round(255 * eps)}/255" if eps else "0" for eps in grid]
    if any("/" in text for text in texts) and all(_is(255 * eps, round(255 * eps)) for eps in grid):
        return tuple(whole)
    return texts


def grid_text(grid: Sequence[float]) -> str:
    """Radii as rows and cells state them, exact, with ``;`` between."""
    return ";".join(repr(float(eps)) for eps in grid)


def _is(value: float, other: float) -> bool:
    return abs(value - other) <= _CLOSE * max(1, abs(value))


def _in_255ths(eps: float) -> str:
    steps = round(255 * eps, 3)
    return f"{steps:.6g}/255" if _is(255 * eps, steps) else ""


def _fraction(eps: float) -> str:
    near = Fraction(eps).limit_denominator(_LARGEST_DENOMINATOR)
    return f"{near.numerator}/{near.denominator}" if near.numerator and _is(eps / float(near), 1) else ""


def images_kind(image_shape: Sequence[int]) -> str:
    """``digits`` for images (c, h, w) of one channel, else ``photographs``; it decides the default radii."""
    return "digits" if image_shape[0] == 1 else "photographs"
