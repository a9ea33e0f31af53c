"""Turns a budget of passes into steps or queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.attacks.cost import asked
from bench.attacks.request import BUDGET, FITTED, Request
from bench.attacks.table import OWN
from bench.engine.cell import sorted_params
from bench.errors import UsageError

MOST = 10**6  # steps or queries


def within_budget(requests: Sequence[Request], classes: int) -> tuple[Request, ...]:
    """The requests; one with a budget gets as many steps or queries as it allows for this number of classes.

    A pass is one of the model forward or backward, so a gradient is two. The most passes that an attack may take count.

    Raises:
        UsageError: an attack always takes more, or its passes are unknown.
    """
    return tuple(
        _fitted(request, classes) if BUDGET in dict(request.params) else request for request in requests
    )


def _fitted(request: Request, classes: int) -> Request:
    params = dict(request.params)
    budget = int(params[BUDGET] or 0)
    if request.library == OWN:
        raise UsageError(
            f"--budget is {budget}, but how many passes {request.label} takes is unknown; leave the option out"
        )
    name = next((name for name in FITTED if name in params), None)

    def taking(count: int) -> Request:
        return replace(request, params=sorted_params(params | ({name: count} if name else {})))

    least = asked(taking(1), classes)
    if least > budget:
        words = f" with one of its {name}" if name else ""
        raise UsageError(
            f"--budget is {budget}, but {request.label} takes up to {least} passes an image{words}; "
            "give more, or leave it out"
        )
    low, high = 1, MOST
    while name and low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if asked(taking(middle), classes) <= budget else (low, middle - 1)
    return taking(low)
