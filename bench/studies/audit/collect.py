"""Stored cells of an audit joined into findings and a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool

from bench.engine.store import Store, read_runs
from bench.inputs.model_info import ModelInfo
from bench.leaderboard.marks import BELIEVABLE
from bench.numbers.stats import Share, wilson
from bench.studies.audit import FULL, QUICK, Audit, Finding, probe_findings, skipped, unmade
from bench.studies.audit import findings_attacks as of
from bench.studies.audit.checks import CHECKS
from bench.studies.audit.plan import (
    STEP_SIZES,
    WHITE_BOX,
    AuditSetting,
    Run,
    chosen_eps,
    first_runs,
    make_probe_cell,
    strength_runs,
    surrogate_of,
)
from bench.studies.clever.collect import clever_history
from bench.studies.robustness.collect import collect
from bench.studies.robustness.results import Clean, Curve, Setting

Standing = Bool[np.ndarray, " n"]
Measured = tuple[Clean, Curve]
_AT_GRID = ("fgsm", "pgd", "independent")  # runs over the grid of the evaluation
PLAIN = ("half", "one", "zero clean", "zero")  # the run of PGD in both modes; it fails only if the model does


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class AuditResults:
    """The audits of one setting.

    Attributes:
        setting: what they share.
        models: the models, in the order of the audits.
        audits: one a model; none of a model without a probe, nor while runs are missing and nothing that was
            measured is flagged.
        eps: the ε at which strength was checked, by the name of the model; ``full`` only.
        lowest: accuracy there against all attacks of the audit together, by the name of the model.
        versions: package name → version.
        command: the command that made them, with paths as ``$DATA``.
    """

    setting: AuditSetting
    models: tuple[ModelInfo, ...]
    audits: tuple[Audit, ...]
    eps: Mapping[str, float]
    versions: Mapping[str, str]
    command: str
    lowest: Mapping[str, Share] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class _Runs:
    """The runs of an audit on one model: those of both modes, and those at the ε where strength is checked."""

    first: Mapping[str, Measured | None]
    later: Mapping[str, Measured | None]
    eps: float | None

    @property
    def all(self) -> dict[str, Measured | None]:
        return {**self.first, **self.later}

    @property
    def whole(self) -> bool:
        """Whether all runs are stored; not so of an audit that was stopped, or where an attack failed."""
        return self.eps is not None and None not in self.all.values()


def collect_audit(
    store: Store,
    setting: AuditSetting,
    models: Sequence[ModelInfo],
    *,
    versions: Mapping[str, str],
    command: str,
) -> AuditResults:
    """The stored results of an audit."""
    found = [
        (model, runs := _runs(store, setting, model), _audit(store, setting, model, runs)) for model in models
    ]
    whole = [(model, runs, audit) for model, runs, audit in found if audit is not None]
    strong = {model.name: runs for model, runs, _ in whole if runs.eps is not None and setting.mode == FULL}
    return AuditResults(
        setting=setting,
        models=tuple(model for model, *_ in whole),
        audits=tuple(audit for *_, audit in whole),
        eps={name: runs.eps for name, runs in strong.items() if runs.eps is not None},
        versions=versions,
        command=command,
        lowest={name: _lowest(setting, runs) for name, runs in strong.items()},
    )


def _runs(store: Store, setting: AuditSetting, model: ModelInfo) -> _Runs:
    first = {run.name: _measured(store, run, model) for run in first_runs(setting)}
    eps = _eps_by(setting, first["pgd"])
    runs = strength_runs(setting, model, eps) if eps is not None else ()
    return _Runs(first, {run.name: _measured(store, run, model) for run in runs}, eps)


def _lowest(setting: AuditSetting, runs: _Runs) -> Share:
    """The images that are right under all attacks together, at the ε where strength is checked."""
    at = _standing(runs, setting)
    names = [name for name in at if name in (*_AT_GRID, *runs.later)]
    standing = np.logical_and.reduce([at[name] for name in names])
    return wilson(int(standing.sum()), len(standing))


def strength_eps(store: Store, setting: AuditSetting, model: ModelInfo) -> float | None:
    """The ε at which strength is checked; ``None`` where PGD is not whole."""
    (pgd,) = (run for run in first_runs(setting) if run.name == "pgd")
    return _eps_by(setting, _measured(store, pgd, model))


def _eps_by(setting: AuditSetting, pgd: Measured | None) -> float | None:
    if pgd is None:
        return None
    clean, curve = pgd
    return chosen_eps(setting.base.eps, curve.standing, clean.correct)


def audit_history(store: Store, dataset: str | None = None) -> list[AuditResults]:
    """Every model's newest full audit on each data set, else its newest quick one, grouped by setting."""
    found: list[AuditResults] = []
    seen: set[tuple[str, str]] = set()

    def read(run: Mapping[str, Any]) -> tuple[AuditSetting, list[ModelInfo], dict[str, str], str]:
        models = [ModelInfo(**each) for each in run["models"]]
        return _setting(run["setting"]), models, run["versions"], str(run["command"])

    newest = list(read_runs(store, "audit", read))[::-1]
    for setting, models, versions, command in sorted(newest, key=lambda each: each[0].mode != FULL):
        if dataset not in (None, setting.base.dataset):
            continue
        fresh = [m for m in models if (m.weights, setting.base.data) not in seen]
        results = collect_audit(store, setting, fresh, versions=versions, command=command)
        seen |= {(model.weights, setting.base.data) for model in results.models}
        if results.audits:
            found.append(results)
    return found


def verdicts(audits: Iterable[AuditResults]) -> dict[tuple[str, str], str]:
    """The verdict on each (weights, data) of some audits with its level, as ``believable(quick)``."""
    return {
        (audit.weights, results.setting.base.data): audit.mark
        for results in audits
        for audit in results.audits
    }


def _setting(fields: Mapping[str, Any]) -> AuditSetting:
    base = fields["base"]
    return AuditSetting(
        mode=fields["mode"],
        base=Setting(**{**base, "eps": tuple(base["eps"])}),
        surrogates=tuple(fields["surrogates"]),
    )


def _audit(store: Store, setting: AuditSetting, model: ModelInfo, runs: _Runs) -> Audit | None:
    probe = store.get(make_probe_cell(setting, model).key)
    if probe is None:
        return None
    nonfinite = _marked("nonfinite", runs.all)
    found = {each.id: each for each in probe_findings(probe.result.arrays, nonfinite=nonfinite)}
    found |= {each.id: each for each in _attack_findings(setting, model, runs)}
    found |= {each.id: each for each in _clever_findings(store, setting, model)}
    order = [check.id for check in CHECKS.values() if setting.mode in check.modes]
    audit = Audit(
        model=model.name,
        weights=model.weights,
        mode=setting.mode,
        findings=tuple(found.get(id) or skipped(id, "It was not measured.") for id in order),
        suspect=model.suspect,
    )
    made = replace(audit, findings=tuple(each for each in audit.findings if each.made))
    return audit if runs.whole or made.verdict != BELIEVABLE else None  # what is missing would decide it


def _measured(store: Store, run: Run, model: ModelInfo) -> Measured | None:
    """What the store holds of a run; ``None`` unless it is whole."""
    (whole, *_) = collect(store, run.setting, [(model, (run.request,))], classes=(), versions={}, command="")
    if not whole.models:
        return None
    (result,) = whole.models
    return result.clean, result.curves[0]


def _attack_findings(setting: AuditSetting, model: ModelInfo, runs: _Runs) -> list[Finding]:
    """The findings that come from attacks.

    A check whose runs are not whole is skipped with the reason, but flagged where plain PGD failed.
    """
    first, standing = runs.first, _standing(runs, setting)

    def check(id: str, names: Sequence[str], function: Callable[..., Finding]) -> Finding:
        missing = [name for name in names if name not in standing]
        if missing:
            reason = f"The run {missing[0]!r} that this check needs is incomplete."
            return unmade(id, reason) if missing[0] in PLAIN else skipped(id, reason)
        return function(*(standing[name] for name in names))

    found = [
        check("C8", ("fgsm", "pgd"), of.c8),
        check("C10", ("half",), lambda half: of.c10(half, _whole(first["far"])[0].label)),
        check("C11", ("one",), of.c11),
        check("C23", ("zero", "zero clean"), of.c23),
        _judged(runs.all),
    ]
    grid = setting.base.eps
    if setting.mode == QUICK:
        return [*found, skipped("C7", "Black-box attacks belong to the full audit.")]
    return [
        *found,
        check("C7", ("white", "square", "noise"), lambda white, *black: of.c7(white, black[0] & black[1])),
        check("C9", ("independent",), lambda _: of.c9(_whole(first["independent"])[1].standing, grid)),
        check("C12", ("independent", "more steps"), of.c12),
        check("C13", ("independent", "20 restarts"), of.c13),
        check("C14", ("independent", *STEP_SIZES), lambda own, *other: of.c14(own, _by_name(other))),
        check("C16", ("independent", "best"), of.c16),
        check("C18", ("transfer", "white"), of.c18)
        if surrogate_of(setting, model)
        else skipped(
            "C18", "The zoo has no weights for this data set, or no attack in this norm, to transfer from."
        ),
        check("C19", ("noise", "white"), of.c19),
        check("C26", ("independent", "margin", "targeted"), lambda pgd, *aim: of.c26(pgd, aim[0] & aim[1])),
        check("C33", ("independent", "white"), of.c33),
    ]


def _standing(runs: _Runs, setting: AuditSetting) -> dict[str, Standing]:
    """The images that are right, by the name of the run; for runs over the grid, at the ε where strength is checked."""
    first, later, eps = runs.first, runs.later, runs.eps
    found: dict[str, Standing] = {}
    if far := first["far"]:
        found |= {"half": far[1].standing[0], "one": far[1].standing[1]}
    if nothing := first["zero"]:
        found |= {"zero": nothing[1].standing[0], "zero clean": nothing[0].correct}
    if eps is None:
        return found
    at = list(setting.base.eps).index(eps)
    found |= {n: first[n][1].standing[at] for n in _AT_GRID if first.get(n)}  # type: ignore[index]
    found |= {name: measured[1].standing[0] for name, measured in later.items() if measured}
    if all(name in found for name in WHITE_BOX):
        found["white"] = np.logical_and.reduce([found[name] for name in WHITE_BOX])
    return found


def _judged(runs: Mapping[str, Measured | None]) -> Finding:
    projected = _marked("projected", runs)
    if projected is None:
        return skipped("C20", "No attack could be run.")
    return of.c20(projected, [name for name, measured in runs.items() if measured is None])


def _marked(mark: str, runs: Mapping[str, Measured | None]) -> Bool[np.ndarray, " m"] | None:
    """The images with a mark of the judge in any run, of the run with most images; ``None`` without runs."""
    whole = [getattr(measured[1], mark).any(axis=0) for measured in runs.values() if measured]
    if not whole:
        return None
    found = np.zeros(max(map(len, whole)), dtype=bool)
    for marks in whole:
        found[: len(marks)] |= marks
    return found


def _whole(measured: Measured | None) -> Measured:
    if measured is None:
        raise ValueError("a run that is not whole has no results")
    return measured


def _by_name(standing: Sequence[Standing]) -> dict[str, Standing]:
    return dict(zip(STEP_SIZES, standing, strict=True))


def _clever_findings(store: Store, setting: AuditSetting, model: ModelInfo) -> list[Finding]:
    """C27 and C28, from the newest scores of these weights on these images, if there are any."""
    if setting.mode == QUICK:
        return []
    for results in clever_history(store, setting.base.dataset):
        for scored in results.models:
            if (scored.info.weights, results.setting.data) == (model.weights, setting.base.data):
                return [of.c27(scored.arrays), of.c28(scored.arrays)]
    return [skipped(id, "The store has no CLEVER scores of this model.") for id in ("C27", "C28")]
