"""Formats of numbers and names on pages, in figures and in file names."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.attacks import Request
    from bench.engine.cell import Scalar
    from bench.numbers.stats import Share

# an audit's verdict on pages: a sign that needs no colour, and words
VERDICTS = {
    "not_believable": ("✗", "not believable"),
    "upper_bound": ("≤", "upper bound"),
    "believable": ("✓", "believable"),
    "not_audited": ("?", "not audited"),
}
NORMS = {"linf": "L∞", "l2": "L2", "l1": "L1", "l0": "L0"}
_LONGEST_SLUG = 60
_LONGEST_LABEL = 30
_WEIGHTS = re.compile(r"#[0-9a-f]{16}\b")  # after a surrogate, see bench.attacks.surrogate


def percent(value: float) -> str:
    """A fraction in percent with one decimal, without the sign; a dash for no number."""
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def interval(share: Share) -> str:
    """The confidence interval of a share in percent."""
    return f"{percent(share.lo)}–{percent(share.hi)}"


def seconds(value: float) -> str:
    """A duration, rounded for reading."""
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def significant(value: float) -> str:
    """Three significant digits, whole numbers from 100 on; a dash for no number."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size >= 99.95:
        return f"{value:,.0f}"
    return f"{value:#.3g}" if size >= 1e-4 else f"{value:.2e}" if size else "0"


def norm_text(norm: str) -> str:
    """A norm as papers write it."""
    return NORMS.get(norm, norm)


def slug(name: str) -> str:
    """A name as part of a file name; changed names get a hash so that two are never equal."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:_LONGEST_SLUG]
    if safe and safe == name:
        return safe
    return f"{safe or 'data'}-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:6]}"


def figure_label(name: str, longest: int = _LONGEST_LABEL) -> str:
    """A name for figures: one line, printable, short enough for the legend."""
    line = model_key(name)
    return line if len(line) <= longest else line[: longest - 1] + "…"


def model_key(name: str) -> str:
    """The key by which a page finds the parts of a model: its name, printable and in one line."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())


def params_text(request: Request) -> str:
    """The parameters of an attack in one line; a step size of ``None`` is written as its rule."""
    return ", ".join(f"{name.replace('_', ' ')} {_param(name, value)}" for name, value in request.params)


def distinct_names(requests: Iterable[Request]) -> dict[Request, str]:
    """The attacks' labels, each with the parameters that are not its defaults, as ``pgd (steps 50)``.

    AutoAttack always has its steps: the published one takes 100, and libraries call one of 10 by the same name. The
    digits of a surrogate's weights are left out unless two attacks differ in them alone.
    """
    full = {request: _name(request) for request in requests}
    short = {request: _WEIGHTS.sub("", name) for request, name in full.items()}
    times = Counter(short.values())
    return {request: name if times[name] == 1 else full[request] for request, name in short.items()}


def _name(request: Request) -> str:
    defaults = request.implied | ({"steps": None} if request.attack == "autoattack" else {})
    own = ", ".join(_changed(*param) for param in request.params if param[1] != defaults.get(param[0]))
    return f"{request.label} ({own})" if own else request.label


def _changed(name: str, value: Scalar) -> str:
    """As ``steps 50``, ``best iterate`` or ``no random start``."""
    words = name.replace("_", " ")
    if isinstance(value, bool):
        return words if value else f"no {words}"
    return f"{words} {_param(name, value)}"


def _param(name: str, value: Scalar) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "alpha" and value is None:
        return "2.5·ε/steps"
    return f"{value:g}" if isinstance(value, float) else str(value)
