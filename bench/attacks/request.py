"""A user's request for an attack, without ε."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from bench.attacks.surrogate import SURROGATE, borrowed
from bench.attacks.table import (
    ATTACKS,
    LIBRARIES,
    OWN,
    OWN_CODE,
    OWN_JUDGED,
    RELEASED_ATTACKS,
    AttackSpec,
    Defaults,
    libraries_of,
    own_spec,
)
from bench.engine.cell import Params, Scalar, sorted_params
from bench.errors import UsageError, nearest
from bench.inputs.own_attacks import OwnAttack, entry_points, find_attack
from bench.inputs.own_surrogates import OwnSurrogates

ALPHA_RULE = "2.5*eps/steps"
BUDGET = "budget"  # passes for each image, if given; a parameter of the judge
FITTED = ("steps", "queries")  # parameters that a budget decides
TARGET, RANDOM, LEAST_LIKELY = "target", "random", "least-likely"  # parameter for the target class
# names for sets of attacks, each with the parameters that differ from the attack's own defaults
PRESETS: dict[str, tuple[tuple[str, dict[str, Scalar]], ...]] = {
    "standard": (("fgsm", {}), ("pgd", {})),
    "strong": (("pgd", {"restarts": 5}), ("apgd_t", {}), ("square", {})),
    "autoattack10": (("autoattack", {"steps": 10}),),  # torchattacks' own default
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One attack with every parameter that does not depend on ε.

    Attributes:
        attack: name in the attack table.
        library: package that runs it.
        norm: ``linf`` or ``l2``; empty for a spatial attack.
        params: the parameters, sorted; ``alpha`` ``None`` stands for the rule 2.5·ε/steps.
        source: of a user's own attack or surrogates; it is not stored.
    """

    attack: str
    library: str
    norm: str
    params: Params
    source: OwnAttack | OwnSurrogates | None = field(default=None, compare=False)

    def stored(self) -> dict[str, Any]:
        """The fields as a store keeps them."""
        return {name: value for name, value in asdict(self).items() if name != "source"}

    @property
    def spec(self) -> AttackSpec:
        """The row of the attack table; for a user's own attack the row that it would have."""
        if self.library == OWN:
            return own_spec(self.attack, dict(self.params))
        key = self.attack, self.library
        return RELEASED_ATTACKS[key] if key in RELEASED_ATTACKS else ATTACKS[key]

    @property
    def label(self) -> str:
        """Short name for tables and figures: the library is named only where it is not the default."""
        default = self.library in (OWN, *libraries_of(self.attack)[:1])
        return self._variant or (self.attack if default else f"{self.library}:{self.attack}")

    @property
    def implied(self) -> Defaults:
        """The parameters that the label implies."""
        if self.library == OWN:  # without its code its defaults are unknown
            return {OWN_CODE: dict(self.params)[OWN_CODE], **OWN_JUDGED}
        variant = PRESETS.get(self._variant)
        return {**self.spec.params, **(variant[0][1] if variant else {})}

    @property
    def _variant(self) -> str:
        """The name of the set that is only this attack with these parameters; empty for none."""
        return next((name for name, members in PRESETS.items() if self._is(*members)), "")

    def _is(self, first: tuple[str, dict[str, Scalar]], *others: object) -> bool:
        attack, params = first
        return not others and attack == self.attack and params.items() <= dict(self.params).items()

    def params_at(self, eps: float | None) -> Params:
        """Every parameter of a call at this ε; the step size is an absolute one, in pixel units."""
        params = dict(self.params)
        if "alpha" in params and eps is not None:
            params["alpha_rule"] = "absolute" if params["alpha"] is not None else ALPHA_RULE
            if params["alpha"] is None:
                params["alpha"] = 2.5 * eps / int(params.get("steps") or 1)
        return sorted_params(params)


RELEASED_REQUESTS = tuple(
    Request(attack=spec.name, library=spec.library, norm="linf", params=sorted_params(spec.params))
    for spec in RELEASED_ATTACKS.values()
)


def parse_requests(
    names: Sequence[str],
    *,
    library: str | None = None,
    norm: str = "linf",
    params: Mapping[str, Scalar],
) -> tuple[Request, ...]:
    """Requests for names like ``pgd``, ``foolbox:pgd`` or ``strong``, in the order given, each once.

    Args:
        names: attack names, each optionally with the library it is to run in, or names of sets of attacks.
        library: the library of names that state none, where it has them; default: the first that does.
        norm: norm of the ball.
        params: parameters the user set; each attack takes those it has.

    Raises:
        UsageError: an attack, library, norm or parameter value that does not exist, or a parameter that none
            of the attacks takes.
    """
    if library is not None and library not in LIBRARIES:
        raise UsageError(f"unknown attack library {library!r}; {nearest(library, LIBRARIES)}")
    _check_budget(params)
    requests: dict[Request, None] = {}
    for name in names:
        for attack, own in PRESETS.get(name, ((name, {}),)):
            requests[_request(attack, library, norm, {**own, **params})] = None
    if not requests:
        raise UsageError("no attack was requested; name at least one, e.g. --attacks fgsm,pgd")
    _check_taken(params, tuple(requests))
    return tuple(requests)


def _check_budget(params: Mapping[str, Scalar]) -> None:
    """Raises ``UsageError`` if a budget is no number of passes, or if a parameter that it decides was given too."""
    if BUDGET not in params:
        return
    budget = params[BUDGET]
    if not isinstance(budget, int) or budget < 1:
        raise UsageError(f"--budget is {budget}; it is a number of passes for each image, at least 1")
    given = [name for name in FITTED if name in params]
    if given:
        raise UsageError(f"--budget is {budget}, which chooses --{given[0]} itself; leave one of them out")


def _check_taken(params: Mapping[str, Scalar], requests: Sequence[Request]) -> None:
    """Raises ``UsageError`` for a parameter that would change nothing."""
    for name in params:
        if not any(name in dict(request.params) for request in requests):
            option = {"random_start": "--no-random-start"}.get(name, f"--{name.replace('_', '-')}")
            labels = ", ".join(request.label for request in requests)
            raise UsageError(f"{option} was given, which no requested attack takes ({labels}); leave it out")


def _request(name: str, library: str | None, norm: str, params: Mapping[str, Scalar]) -> Request:
    if name not in known_names() and (source := find_attack(name)) is not None:
        return _own(source, norm, params)
    home, _, attack = name.rpartition(":")
    spec = ATTACKS[attack, _home(attack, home, library, norm)]
    if spec.norms and norm not in spec.norms:
        others = [s.library for s in ATTACKS.values() if s.name == attack and norm in s.norms]
        remedy = f"use {others[0]}:{attack}" if others else f"use --norm {spec.norms[0]}"
        raise UsageError(f"{spec.library} has no {attack} in norm {norm!r}; {remedy}")
    if not spec.installed:
        raise UsageError(
            f"{attack} needs {spec.needs}, which is not installed; run: pip install 'symbench[{spec.needs}]'"
        )
    chosen = {name: params.get(name, default) for name, default in spec.params.items()}
    if TARGET in params:
        chosen[TARGET] = _aim(spec, params[TARGET])
    if BUDGET in params:
        chosen[BUDGET] = params[BUDGET]
    _check(chosen)
    source = None
    if SURROGATE in chosen:
        chosen[SURROGATE], source = borrowed(str(chosen[SURROGATE]))
    return Request(
        attack=attack,
        library=spec.library,
        norm=norm if spec.norms else "",
        params=sorted_params(chosen),
        source=source,
    )


def _aim(spec: AttackSpec, target: Scalar) -> Scalar:
    if not spec.aimed:
        able = dict.fromkeys(each.name for each in ATTACKS.values() if each.aimed)
        raise UsageError(
            f"--target is {target}, but {spec.library}'s {spec.name} cannot be aimed at a class; "
            f"these can: {', '.join(able)}"
        )
    return target


def aimed(requests: Sequence[Request], classes: Sequence[str]) -> tuple[Request, ...]:
    """The requests with the target class as a number from 0; users give a name or a number.

    Raises:
        UsageError: there is no such class.
    """
    return tuple(_aimed(request, classes) for request in requests)


def _aimed(request: Request, classes: Sequence[str]) -> Request:
    params = dict(request.params)
    target = str(params.get(TARGET, RANDOM))
    if target in (RANDOM, LEAST_LIKELY):
        return request
    if target in classes:
        params[TARGET] = list(classes).index(target)
    elif target.isdecimal() and int(target) < len(classes):
        params[TARGET] = int(target)
    else:
        raise UsageError(
            f"--target is {target}, no class of the data; {nearest(target, [*classes, RANDOM, LEAST_LIKELY])}"
        )
    return replace(request, params=sorted_params(params))


def _own(source: OwnAttack, norm: str, params: Mapping[str, Scalar]) -> Request:
    if TARGET in params:
        _aim(own_spec(source.name, {}), params[TARGET])
    from bench.attacks.own import described  # heavy

    known = described(source)
    chosen = {name: params.get(name, default) for name, default in known.items()}
    if BUDGET in params:
        chosen[BUDGET] = params[BUDGET]
    _check(chosen)
    return Request(attack=source.name, library=OWN, norm=norm, params=sorted_params(chosen), source=source)


def known_names() -> tuple[str, ...]:
    """The attacks of the table, with and without their library."""
    return (*dict.fromkeys(name for name, _ in ATTACKS), *(f"{of}:{name}" for name, of in ATTACKS))


def _home(attack: str, home: str, library: str | None, norm: str) -> str:
    """The library of an attack: the one it names, else the requested one, else the first with it in this norm."""
    if home and home not in LIBRARIES:
        raise UsageError(f"unknown attack library {home!r}; {nearest(home, LIBRARIES)}")
    homes = libraries_of(attack)
    if not homes:
        known = [*dict.fromkeys(name for name, _ in ATTACKS), *PRESETS, *entry_points()]
        raise UsageError(f"unknown attack {attack!r}; {nearest(attack, known)}")
    if home and home not in homes:
        raise UsageError(f"{home} has no attack {attack!r}; use {homes[0]}:{attack}")
    if home or library in homes:
        return home or str(library)
    return next((of for of in homes if norm in (ATTACKS[attack, of].norms or (norm,))), homes[0])


def _check(params: Mapping[str, Scalar]) -> None:
    for name in ("steps", "restarts", "targets", "queries", "eot", "rotations", "translations", "draws"):
        value = params.get(name, 1)
        if not isinstance(value, int) or value < 1:
            raise UsageError(f"--{name} is {value}; it must be a whole number of at least 1")
    alpha = params.get("alpha")
    if alpha is not None and not 0 < float(alpha) < float("inf"):
        raise UsageError(f"--alpha is {alpha}; a step size is a number above 0, in pixel units")
    rotation, translation = (float(params.get(name) or 0) for name in ("rotation", "translation"))
    if not 0 <= rotation <= 180:
        raise UsageError(f"--rotation is {rotation:g}; it is an angle from 0 to 180 degrees")
    if not 0 <= translation < 1:
        raise UsageError(f"--translation is {translation:g}; it is a share of the image's side, below 1")
