"""An audit from end to end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from bench.engine.lane import Lane
from bench.engine.store import Store
from bench.engine.study import Batch
from bench.engine.versions import versions
from bench.inputs.images import base_of
from bench.inputs.model_info import ModelInfo
from bench.studies.audit.collect import AuditResults, collect_audit, strength_eps
from bench.studies.audit.plan import AuditSetting, first_lanes, plain_requests, strength_lanes
from bench.studies.robustness.evaluation import Evaluation, prepare
from bench.studies.shared.ask import Ask
from zoo import registry

DEFAULT_N = 200
SURROGATES = ("baseline_cnn", "parallel_gcnn")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class AuditEvaluation:
    """An audit that can be run.

    Attributes:
        setting: what all models share.
        evaluation: the evaluation under audit.
    """

    setting: AuditSetting
    evaluation: Evaluation

    @property
    def infos(self) -> tuple[ModelInfo, ...]:
        """The models without their sources."""
        return tuple(info for _, info in self.evaluation.models)


def prepare_audit(ask: Ask, mode: str) -> AuditEvaluation:
    """Resolves the request and checks every model once; errors as ``bench.studies.robustness.evaluation.prepare``.

    Args:
        ask: models, data, ε, norm, n (200 by default) and seed; its attacks are ignored.
        mode: ``quick`` or ``full``.
    """
    n = ask.n if ask.n is not None else min(DEFAULT_N, len(ask.data.load(download=ask.download)))
    asked = replace(ask, n=n, requests=plain_requests(ask.norm), independent=False, suspect=True)
    evaluation = prepare(asked)
    return audit_of(evaluation, mode, n)


def audit_of(evaluation: Evaluation, mode: str, n: int) -> AuditEvaluation:
    """The audit of an evaluation's models, on the first ``n`` of its images."""
    base = replace(evaluation.setting, n=n, curve="cumulative")
    setting = AuditSetting(
        mode=mode,
        base=base,
        surrogates=_surrogates(base_of(evaluation.data)[0]),
    )
    return AuditEvaluation(setting=setting, evaluation=evaluation)


def planned_lanes(audit: AuditEvaluation) -> tuple[Lane, ...]:
    """What an audit measures at most, less what is stored; its checks of strength as if at the largest ε."""
    infos = audit.infos
    eps = dict.fromkeys(infos, audit.setting.base.eps[-1])  # the results decide which one it will be
    return first_lanes(audit.setting, infos) + strength_lanes(audit.setting, infos, eps)


def audit_batches(audit: AuditEvaluation, store: Store) -> Iterator[Batch]:
    """First the cells of both modes, then the checks of strength at the ε that depends on stored results."""
    setting, infos = audit.setting, audit.infos
    yield Batch(planned=(audit.evaluation,), lanes=first_lanes(setting, infos))
    chosen = {info: strength_eps(store, setting, info) for info in infos}
    known = {info: eps for info, eps in chosen.items() if eps is not None}
    if lanes := strength_lanes(setting, infos, known):
        yield Batch(planned=(audit.evaluation,), lanes=lanes)


def audit_record(audit: AuditEvaluation) -> dict[str, Any]:
    """The record in a store, from which the audit can be shown again."""
    return {
        "schema": 1,
        "kind": "audit",
        "setting": asdict(audit.setting),
        "models": [asdict(model) for model in audit.infos],
        "versions": versions(),
        "command": audit.evaluation.command,
    }


def collected(audit: AuditEvaluation, store: Store) -> AuditResults:
    """The stored results of an audit."""
    command = audit.evaluation.command
    return collect_audit(store, audit.setting, audit.infos, versions=versions(), command=command)


def _surrogates(dataset: str) -> tuple[str, ...]:
    """Models with weights for a data set of plain images, as the attack ``transfer`` names them."""
    try:
        records = [registry.find(name, dataset) for name in SURROGATES]
    except registry.WeightsError:
        return ()
    return tuple(f"{dataset}/{record.name}#{record.sha256[:16]}" for record in records)
