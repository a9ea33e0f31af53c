"""Turns the options of ``bench run`` into requests."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace

from bench.attacks import Request, parse_requests
from bench.attacks.surrogate import SURROGATE
from bench.engine.cell import Scalar
from bench.engine.protocols import OWN_SCRIPT
from bench.errors import UsageError
from bench.inputs.own_surrogates import is_foreign
from bench.studies.audit.plan import AUDITED
from bench.studies.shared.ask import Ask
from bench.studies.shared.options import model_ask, names

PARAMETERS = ("steps", "alpha", "restarts", "targets", "queries", "eot", "rotation", "translation", "target",
              "budget")  # fmt: skip


def asked(options: Namespace) -> Ask:
    """The request of command-line options; raises ``UsageError``."""
    params = {name: getattr(options, name) for name in PARAMETERS}
    given: dict[str, Scalar] = {name: value for name, value in params.items() if value is not None}
    if options.surrogate is not None:
        given[SURROGATE] = _surrogates(options)
    if options.no_random_start:
        given["random_start"] = False
    if options.best_iterate:
        given["best_iterate"] = True
    if options.audit and options.protocol.partition(":")[0] == OWN_SCRIPT:
        raise UsageError(
            f"--audit is {options.audit}, but protocol {options.protocol} cannot be audited, only sound; "
            "leave --audit or --protocol out"
        )
    if options.audit and options.norm not in AUDITED:
        raise UsageError(
            f"--audit is {options.audit}, but only norms {', '.join(AUDITED)} are audited; "
            f"leave --audit or --norm {options.norm} out"
        )
    requests = _requests(options, given)
    if options.eps is not None and requests and all(each.spec.threat == "spatial" for each in requests):
        raise UsageError(f"--eps is {options.eps}, but rotations and translations have no ε; leave it out")
    return replace(
        model_ask(options),
        requests=requests,
        eps=names(options.eps) if options.eps is not None else None,
        norm=options.norm,
        independent=options.independent,
        protocol=options.protocol,
        mce_baseline=options.mce_baseline,
    )


def _surrogates(options: Namespace) -> str:
    """The requested surrogates; a name without a data set means one trained on the measured data set."""
    asked = names(options.surrogate)
    if not asked:
        raise UsageError("--surrogate names no model; give DATASET/NAME, NAME or FILE.py:FACTORY")
    return ",".join(
        name if "/" in name or is_foreign(name) else f"{options.dataset}/{name}" for name in asked
    )


def _requests(options: Namespace, params: dict[str, Scalar]) -> tuple[Request, ...]:
    """The requested attacks; none if a protocol has its own and only defaults were given."""
    default = (options.attacks, options.library) == ("fgsm,pgd", None) and not params
    if default and options.protocol.partition(":")[0] == OWN_SCRIPT:
        return ()
    return parse_requests(names(options.attacks), library=options.library, norm=options.norm, params=params)
