"""The section on audits of a page: marks beside names, and for each setting a grid and every flag in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench.numbers.eps import eps_text, eps_texts
from bench.numbers.stats import Share
from bench.pages.format import VERDICTS
from bench.studies.audit import CHECKS, Audit, Check, Finding

if TYPE_CHECKING:
    from bench.studies.audit.collect import AuditResults
    from bench.studies.audit.plan import AuditSetting

FLAGGED = ("fail", "warn")
KINDS = {"fatal": "fatal", "strength": "strength", "inform": "informs"}  # in this order everywhere
_MOST_IMAGES = 12

Marks = Mapping[tuple[str, str], "Mark"]


@dataclass(frozen=True, slots=True)
class Mark:
    """The mark beside a model's name.

    Attributes:
        verdict: one of ``VERDICTS``.
        level: its basis: ``quick``, ``full``, ``rows`` or ``one step``.
        reason: why.
        eps, lowest: the ε at which the audit tried stronger attacks, and the accuracy against all of them together;
            ``None`` where it tried none.
    """

    verdict: str
    level: str
    reason: str
    eps: float | None = None
    lowest: Share | None = None

    @property
    def text(self) -> str:
        """As ``✗ not believable (quick)``."""
        return f"{' '.join(VERDICTS[self.verdict])} ({self.level})"

    @property
    def css(self) -> str:
        """The verdict as a class of the page."""
        return self.verdict.replace("_", "-")


@dataclass(frozen=True, slots=True)
class FlaggedCheck:
    """One flagged check of a model; ``images`` is empty or says which ones it is about."""

    check: Check
    finding: Finding
    images: str


@dataclass(frozen=True, slots=True)
class AuditedModel:
    """A model under its name on the page; flags in the order of the grid's columns."""

    name: str
    audit: Audit
    mark: Mark
    flags: tuple[FlaggedCheck, ...]


@dataclass(frozen=True, slots=True)
class Unseen:
    """Checks that were not made, for one reason; ``models`` is empty if it is true of all."""

    ids: tuple[str, ...]
    models: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class AuditBlock:
    """The audits of one setting.

    Attributes:
        setting: what the models share.
        commands: that made them.
        eps: texts of its ε grid.
        models: the worst verdicts first.
        checks: of its mode, by kind.
        strength: texts of the ε at which strength was checked, each with the models it holds for.
        unseen: checks that were not made.
    """

    setting: AuditSetting
    commands: tuple[str, ...]
    eps: tuple[str, ...]
    models: tuple[AuditedModel, ...]
    checks: tuple[Check, ...]
    strength: tuple[tuple[str, tuple[str, ...]], ...]
    unseen: tuple[Unseen, ...]

    @property
    def clear(self) -> tuple[str, ...]:
        """Names of the models without a flag."""
        return tuple(model.name for model in self.models if not model.flags)


def audit_blocks(audits: Sequence[AuditResults]) -> tuple[AuditBlock, ...]:
    """One block for each audited setting, from all its runs."""
    groups: dict[AuditSetting, list[AuditResults]] = {}
    for results in audits:
        groups.setdefault(results.setting, []).append(results)
    return tuple(_block(setting, runs) for setting, runs in groups.items())


def marks(audits: Sequence[AuditResults]) -> dict[tuple[str, str], Mark]:
    """The mark of each (weights, data) that was audited; the first of several audits is the newest."""
    found: dict[tuple[str, str], Mark] = {}
    for results in audits:
        for audit in results.audits:
            mark = replace(
                _mark(audit), eps=results.eps.get(audit.model), lowest=results.lowest.get(audit.model)
            )
            found.setdefault((audit.weights, results.setting.base.data), mark)
    return found


def by_kind(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Checks in the order of the grid: fatal ones first."""
    return tuple(check for kind in KINDS for check in checks if check.kind == kind)


def _block(setting: AuditSetting, runs: Sequence[AuditResults]) -> AuditBlock:
    audits = [audit for results in runs for audit in results.audits]
    names = _names(audits)
    models = [
        AuditedModel(name, audit, _mark(audit), _flags(audit))
        for name, audit in zip(names, audits, strict=True)
    ]
    chosen = [results.eps.get(audit.model) for results in runs for audit in results.audits]
    severity = list(VERDICTS)
    return AuditBlock(
        setting=setting,
        commands=tuple(dict.fromkeys(results.command for results in runs)),
        eps=eps_texts(setting.base.eps),
        models=tuple(sorted(models, key=lambda model: severity.index(model.mark.verdict))),
        checks=by_kind([check for check in CHECKS.values() if setting.mode in check.modes]),
        strength=_strength(setting, names, chosen),
        unseen=_unseen(audits, names),
    )


def _names(audits: Sequence[Audit]) -> tuple[str, ...]:
    """Names, with the first digits of the weights where models share one."""
    count = Counter(audit.model for audit in audits)
    return tuple(
        audit.model if count[audit.model] == 1 else f"{audit.model} ({audit.weights[:8]})" for audit in audits
    )


def _flags(audit: Audit) -> tuple[FlaggedCheck, ...]:
    found = {each.id: each for each in audit.findings if each.status in FLAGGED}
    checks = by_kind([CHECKS[id] for id in found])
    return tuple(FlaggedCheck(check, found[check.id], _images(found[check.id].images)) for check in checks)


def _images(places: Sequence[int]) -> str:
    """``Images 3, 17 …, 40 in all.``; empty where there are none."""
    if not places:
        return ""
    shown = ", ".join(map(str, places[:_MOST_IMAGES]))
    more = f" …, {len(places)} in all" if len(places) > _MOST_IMAGES else ""
    return f"{'Image' if len(places) == 1 else 'Images'} {shown}{more}."


def _mark(audit: Audit) -> Mark:
    def flagged(kind: str) -> list[str]:
        return [f"{flag.check.id} {flag.check.title}" for flag in _flags(audit) if flag.check.kind == kind]

    suspect = [f"the first look found: {audit.suspect.replace(';', ', ')}"] if audit.suspect else []
    reasons = {
        "not_believable": ("a check failed that any sound evaluation passes", [*flagged("fatal"), *suspect]),
        "upper_bound": ("a stronger attack breaks more images", flagged("strength")),
        "believable": ("nothing was found that contradicts the numbers", []),
    }
    what, ids = reasons[audit.verdict]
    reason = f"{audit.mode} audit: {what}"
    return Mark(audit.verdict, audit.mode, f"{reason}; not so: {', '.join(ids)}" if ids else reason)


def _strength(
    setting: AuditSetting, names: Sequence[str], chosen: Sequence[float | None]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    shown = dict(zip(setting.base.eps, eps_texts(setting.base.eps), strict=True))
    groups: dict[float, list[str]] = {}
    for name, eps in zip(names, chosen, strict=True):
        if eps is not None:
            groups.setdefault(eps, []).append(name)
    return tuple((shown.get(eps, eps_text(eps)), tuple(groups[eps])) for eps in sorted(groups))


def _unseen(audits: Sequence[Audit], names: Sequence[str]) -> tuple[Unseen, ...]:
    """Checks that were not made, joined where reason and models are the same."""
    models: dict[tuple[str, str], list[str]] = {}
    for name, audit in zip(names, audits, strict=True):
        for each in audit.findings:
            if each.status == "skip":
                models.setdefault((each.id, each.detail), []).append(name)
    ids: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (id, reason), whom in models.items():
        ids.setdefault((reason, tuple(whom) if len(whom) < len(audits) else ()), []).append(id)
    return tuple(Unseen(tuple(which), whom, reason) for (reason, whom), which in ids.items())
