"""The cells of an audit besides the evaluation itself: ordinary lanes at settings of its own; pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from bench.attacks import Request, parse_requests
from bench.engine.cell import Cell, Scalar, sorted_params
from bench.engine.lane import Lane
from bench.errors import UsageError
from bench.inputs.model_info import ModelInfo
from bench.studies.audit import FULL, QUICK
from bench.studies.robustness.plan import lanes
from bench.studies.robustness.results import Setting

PROBE_VERSION = 2  # raised whenever the probe's numbers change
PROBED = 200  # images for the probe; only its cheapest tests take all of them
FEW = 32  # images of the check with a ball as large as the box
FAR = (0.5, 1.0)  # ε, L∞: every image can be made plain grey; then nothing but the box is left
AUDITED = ("linf", "l2", "l1")  # norms with attacks for every check of strength but the transfer in L1
STEP_SIZES = {"ε/10": 0.1, "ε/4": 0.25, "ε": 1.0}  # as shares of ε
WHITE_BOX = (
    "independent", "fgsm once", "more steps", "20 restarts", *STEP_SIZES, "best", "margin", "targeted", "apgd",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSetting:
    """The settings of an audit.

    Attributes:
        mode: ``quick`` or ``full``.
        base: the evaluation under audit: FGSM and PGD over its grid, cumulative. In L1 SLIDE takes the place of PGD
            everywhere, which is weak there, and Auto-PGD that of targeted PGD.
        surrogates: zoo models whose adversarial images are tried on others, as ``dataset/name#digest``; each model gets
            the first one that is not itself.
    """

    mode: str
    base: Setting
    surrogates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.mode not in (QUICK, FULL):
            raise UsageError(f"--audit is {self.mode!r}; it is quick or full")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attack in one setting, with the audit's name for it."""

    name: str
    setting: Setting
    request: Request


def first_runs(audit: AuditSetting) -> tuple[Run, ...]:
    """The runs of both modes, and for ``full`` PGD independently at every ε."""
    base = audit.base
    far = replace(base, norm="linf", eps=FAR, n=min(FEW, base.n))
    nothing = replace(base, eps=(0.0,), n=min(FEW, base.n), curve="independent")
    runs = (
        Run(name="fgsm", setting=base, request=_fgsm(base.norm)),
        Run(name="pgd", setting=base, request=_pgd(base.norm)),
        # one start and the last iterate: a wider search would succeed without gradients
        Run(name="far", setting=far, request=_pgd("linf", steps=50)),
        Run(name="zero", setting=nothing, request=_pgd(base.norm, steps=1)),
    )
    if audit.mode == FULL:
        runs += (Run(name="independent", setting=_anew(base), request=_pgd(base.norm)),)
    return runs


def plain_requests(norm: str) -> tuple[Request, Request]:
    """The attacks of the evaluation under audit: one step, and many."""
    return _fgsm(norm), _pgd(norm)


def surrogate_of(audit: AuditSetting, model: ModelInfo) -> str | None:
    """The model whose adversarial images are tried on this one, if there is any; no attack transfers in L1."""
    if audit.base.norm == "l1":
        return None
    other = (each for each in audit.surrogates if not model.weights.startswith(each.rpartition("#")[2]))
    return next(other, None)


def strength_runs(audit: AuditSetting, model: ModelInfo, eps: float) -> tuple[Run, ...]:
    """The further runs of ``full``, at one ε, each attack separately."""
    if audit.mode != FULL:
        return ()
    norm = audit.base.norm
    at = replace(_anew(audit.base), eps=(eps,))
    requests: dict[str, Request] = {
        "fgsm once": _fgsm(norm),
        "more steps": _pgd(norm, steps=100),
        "20 restarts": _pgd(norm, restarts=20),
        **{name: _pgd(norm, alpha=eps * share) for name, share in STEP_SIZES.items()},
        "best": _pgd(norm, best_iterate=True),
        "margin": _one("pgd_margin", norm),
        "targeted": _one("apgd_t" if norm == "l1" else "pgd_t", norm),
        "apgd": _one("apgd_ce", norm, steps=50),
        "square": _one("square", norm, queries=1000),
        "noise": _one("noise", norm, queries=1000),
    }
    if surrogate := surrogate_of(audit, model):
        requests["transfer"] = _one("transfer", norm, surrogate=surrogate)
    return tuple(Run(name=name, setting=at, request=request) for name, request in requests.items())


def chosen_eps(
    eps: Sequence[float], standing: Bool[np.ndarray, "e n"], correct: Bool[np.ndarray, " n"]
) -> float:
    """The ε that shows differences in strength best: there PGD leaves nearest to half of the right images.

    Among two equally near ones the larger.
    """
    away = np.abs(standing.sum(axis=1) - correct.sum() / 2)
    return float(eps[len(eps) - 1 - int(np.argmin(away[::-1]))])


def make_probe_cell(audit: AuditSetting, model: ModelInfo) -> Cell:
    """The cell of the probe, on the first images."""
    base = audit.base
    return Cell(
        kind="probe",
        model=model.name,
        weights=model.weights,
        dataset=base.dataset,
        data=base.data,
        first=0,
        count=min(PROBED, base.n),
        attack="none",
        library=f"symbench==probe-{PROBE_VERSION}",
        params=sorted_params({"mode": audit.mode}),
        norm=None,
        eps=None,
        seed=base.seed,
        protocol=base.protocol,
        backend=model.backend(base.backend),
        parent=None,
    )


def first_lanes(audit: AuditSetting, models: Sequence[ModelInfo]) -> tuple[Lane, ...]:
    """The probes, and the lanes of ``first_runs``."""
    probes = tuple(Lane(first=make_probe_cell(audit, model)) for model in models)
    return probes + tuple(
        lane for model in models for run in first_runs(audit) for lane in run_lanes(run, model)
    )


def strength_lanes(
    audit: AuditSetting, models: Sequence[ModelInfo], eps: Mapping[ModelInfo, float]
) -> tuple[Lane, ...]:
    """The lanes of ``strength_runs`` for the models whose ε is known."""
    return tuple(
        lane
        for model in models
        if model in eps
        for run in strength_runs(audit, model, eps[model])
        for lane in run_lanes(run, model)
    )


def run_lanes(run: Run, model: ModelInfo) -> tuple[Lane, ...]:
    """The lanes of one run of one model."""
    return lanes(run.setting, [model], [run.request])


def _anew(base: Setting) -> Setting:
    return replace(base, curve="independent")


def _fgsm(norm: str) -> Request:
    return _one("fgsm" if norm == "linf" else "foolbox:fgsm", norm)


def _pgd(norm: str, **params: Scalar) -> Request:
    return _one("slide" if norm == "l1" else "pgd", norm, **params)


def _one(name: str, norm: str, **params: Scalar) -> Request:
    (request,) = parse_requests((name,), norm=norm, params=params)
    return request
