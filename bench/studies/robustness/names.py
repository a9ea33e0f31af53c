"""The names of attacks in tables and figures."""

from __future__ import annotations

from collections.abc import Iterable

from bench.attacks import Request
from bench.engine.cell import Scalar
from bench.pages.format import _param
from bench.studies.robustness.results import Results


def attack_names(results: Results) -> dict[Request, str]:
    """The attacks over the grid of all models with distinct names, in the order they first appear."""
    return _names(curve.request for model in results.models for curve in model.curves)


def spatial_names(results: Results) -> dict[Request, str]:
    """The spatial attacks of all models with distinct names, in the order they first appear."""
    return _names(curve.request for model in results.models for curve in model.spatial)


def request_name(request: Request) -> str:
    """The name of an attack alone."""
    return _names([request])[request]


def _names(requests: Iterable[Request]) -> dict[Request, str]:
    """Labels, each with the parameters that are not the attack's own defaults, as ``pgd (steps 50)``.

    AutoAttack always has its steps: the published one takes 100, and libraries call one of 10 by the same name.
    """
    names = {}
    for request in dict.fromkeys(requests):
        defaults = request.implied
        said = [
            each
            for each in request.params
            if each[1] != defaults.get(each[0]) or _ambiguous(request, each[0])
        ]
        own = ", ".join(_changed(*each) for each in said)
        names[request] = f"{request.label} ({own})" if own else request.label
    return names


def _ambiguous(request: Request, param: str) -> bool:
    return request.attack == "autoattack" and param == "steps"


def _changed(name: str, value: Scalar) -> str:
    """As ``steps 50``, ``best iterate`` or ``no random start``."""
    words = name.replace("_", " ")
    if isinstance(value, bool):
        return words if value else f"no {words}"
    return f"{words} {_param(name, value)}"
