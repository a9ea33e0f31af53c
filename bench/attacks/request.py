"""What a user asks of an attack, before the ε grid spreads it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.attacks.table import ATTACKS, LIBRARIES, AttackSpec
from bench.cell import Params, Scalar, sorted_params
from bench.errors import UsageError, nearest

ALPHA_RULE = "2.5*eps/steps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One attack with every parameter that does not depend on ε.

    Attributes:
        attack: name in the attack table.
        library: package that runs it.
        norm: ``linf`` or ``l2``.
        params: the parameters, sorted; ``alpha`` ``None`` stands for the rule 2.5·ε/steps.
    """

    attack: str
    library: str
    norm: str
    params: Params

    @property
    def spec(self) -> AttackSpec:
        """The row of the attack table."""
        return ATTACKS[self.attack, self.library]

    @property
    def label(self) -> str:
        """Short name for tables and figures: the library is named only where it is not the default."""
        return self.attack if self.library == LIBRARIES[0] else f"{self.library}:{self.attack}"

    def params_at(self, eps: float) -> Params:
        """Every parameter of a call at this ε; the step size is an absolute one, in pixel units."""
        params = dict(self.params)
        if "alpha" in params:
            params["alpha_rule"] = "absolute" if params["alpha"] is not None else ALPHA_RULE
            if params["alpha"] is None:
                params["alpha"] = 2.5 * eps / int(params["steps"] or 1)
        return sorted_params(params)


def parse_requests(
    names: Sequence[str], *, library: str = LIBRARIES[0], norm: str = "linf", params: Mapping[str, Scalar]
) -> tuple[Request, ...]:
    """Requests for names like ``pgd`` or ``foolbox:pgd``, in the order given, each once.

    Args:
        names: attack names, each optionally with the library it is to run in.
        library: the library of names that state none.
        norm: norm of the ball.
        params: parameters the user set; each attack takes those it has.

    Raises:
        UsageError: an attack, library, norm or parameter value that does not exist.
    """
    requests: dict[Request, None] = {}
    for name in names:
        home, _, attack = name.rpartition(":")
        requests[_request(attack, home or library, norm, params)] = None
    if not requests:
        raise UsageError("no attack was asked for; name at least one, e.g. --attacks fgsm,pgd")
    return tuple(requests)


def _request(attack: str, library: str, norm: str, params: Mapping[str, Scalar]) -> Request:
    if library not in LIBRARIES:
        raise UsageError(f"unknown attack library {library!r}; {nearest(library, LIBRARIES)}")
    known = [name for name, home in ATTACKS if home == library]
    if attack not in known:
        raise UsageError(f"unknown attack {attack!r}; {nearest(attack, known)}")
    spec = ATTACKS[attack, library]
    if norm not in spec.norms:
        others = [s.library for s in ATTACKS.values() if s.name == attack and norm in s.norms]
        remedy = f"use {others[0]}:{attack}" if others else f"use --norm {spec.norms[0]}"
        raise UsageError(f"{library} has no {attack} in norm {norm!r}; {remedy}")
    chosen = {name: params.get(name, default) for name, default in spec.params.items()}
    _check(chosen)
    return Request(attack=attack, library=library, norm=norm, params=sorted_params(chosen))


def _check(params: Mapping[str, Scalar]) -> None:
    for name in ("steps", "restarts"):
        value = params.get(name, 1)
        if not isinstance(value, int) or value < 1:
            raise UsageError(f"--{name} is {value}; it must be a whole number of at least 1")
    alpha = params.get("alpha")
    if alpha is not None and not 0 < float(alpha) < float("inf"):
        raise UsageError(f"--alpha is {alpha}; a step size is a number above 0, in pixel units")
