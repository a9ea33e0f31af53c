"""The names of attacks in tables and figures."""

from __future__ import annotations

from bench.attacks import Request
from bench.pages.format import distinct_names
from bench.studies.robustness.results import Results


def attack_names(results: Results) -> dict[Request, str]:
    """The attacks over the grid of all models with distinct names, in the order they first appear."""
    return distinct_names(curve.request for model in results.models for curve in model.curves)


def spatial_names(results: Results) -> dict[Request, str]:
    """The spatial attacks of all models with distinct names, in the order they first appear."""
    return distinct_names(curve.request for model in results.models for curve in model.spatial)


def request_name(request: Request) -> str:
    """The name of an attack alone."""
    return distinct_names([request])[request]
