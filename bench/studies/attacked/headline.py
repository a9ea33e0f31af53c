"""The headline table of a setting: its models ranked, with the audit's verdicts beside their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench.engine.protocols import PROTOCOLS, released_rules
from bench.leaderboard.marks import ONE_STEP, ROWS, UPPER_BOUND, level_of, marked, on_numbers
from bench.numbers.eps import eps_texts
from bench.numbers.stats import Share
from bench.pages.format import percent
from bench.studies.audit import FULL, QUICK
from bench.studies.audit.section import Mark, Marks
from bench.studies.robustness.names import attack_names, request_name

if TYPE_CHECKING:
    from bench.attacks import Request
    from bench.studies.robustness.ranking import Standing
    from bench.studies.robustness.results import Results

NOT_AUDITED = "not_audited"
# AutoAttack and its members: what papers mean by an attack stronger than FGSM and PGD
STRONGER = ("autoattack", "apgd_ce", "apgd_dlr", "apgd_t", "fab_t", "square")


@dataclass(frozen=True, slots=True)
class Headline:
    """The headline table of one setting.

    Attributes:
        results: what was measured.
        attacks: names of the attacks of the ranked group.
        stronger: those of them, and of other runs in the same balls, that are AutoAttack or belong to it.
        eps: texts of the ε grid; empty where no model met an attack.
        ranked, unranked: the models.
        attacked_by: names of each model's attacks, by the model's name in the table.
        marks: verdicts, by the model's name in the table: the audit's, or that another run of the same ball got
            significantly further than the attacks of this table; none under a released protocol.
        unaudited: names of the models without an audit.
        further: names of the attacks of other runs in the worst cases, with the number of models they attacked.
        audited_at: by the model's name, the place in the grid at which its audit tried stronger attacks.
        rules: the protocol in words; empty if it is not one of this version.
        released: whether it is a released protocol, whose numbers are not robust accuracies.
    """

    results: Results
    attacks: tuple[str, ...]
    stronger: tuple[str, ...]
    eps: tuple[str, ...]
    ranked: tuple[Standing, ...]
    unranked: tuple[Standing, ...]
    attacked_by: Mapping[str, tuple[str, ...]]
    marks: Mapping[str, Mark]
    unaudited: tuple[str, ...]
    further: tuple[tuple[str, int], ...]
    audited_at: Mapping[str, int]
    rules: str
    released: bool

    def audit_share(self, name: str, i: int) -> Share | None:
        """The accuracy of a model under the audit's attacks at the i-th ε; ``None`` if it tried none there."""
        return self.marks[name].lowest if self.audited_at.get(name) == i else None

    def named(self, verdict: str) -> tuple[str, ...]:
        """The models with a verdict, in the order of the table."""
        lines = (*self.ranked, *self.unranked)
        return tuple(line.name for line in lines if self.verdict(line.name) == verdict)

    def verdict(self, name: str) -> str:
        """Of a model; ``not_audited`` where there is none."""
        mark = self.marks.get(name)
        return mark.verdict if mark else NOT_AUDITED

    @property
    def verdicts(self) -> frozenset[str]:
        """The verdicts that occur in the table."""
        return frozenset(mark.verdict for mark in self.marks.values())

    def levels(self, verdict: str) -> str:
        """The basis of a verdict's marks, as ``quick or full audit``; empty if no audit gave it."""
        levels = _levels(mark.level for mark in self.marks.values() if mark.verdict == verdict)
        return f"{levels} audit" if levels else ""

    @property
    def audit_level(self) -> str:
        """The kinds of audits that were made, as ``quick or full``; empty if none was."""
        return _levels(mark.level for mark in self.marks.values())

    @property
    def single_step(self) -> tuple[str, ...]:
        """The audited models whose numbers are of attacks of one step alone."""
        return tuple(name for name, mark in self.marks.items() if mark.level == level_of(ONE_STEP))

    @property
    def beaten(self) -> bool:
        """Whether any mark says that another run got further."""
        return any(mark.level == "rows" for mark in self.marks.values())


def _levels(found: Iterable[str]) -> str:
    there = set(found)
    return " or ".join(level for level in (QUICK, FULL) if level in there)


def headline(results: Results, lines: Sequence[Standing], marks: Marks) -> Headline:
    """The table of a setting, models in the order of ``lines``; ``marks`` are of any models and data."""
    names = attack_names(results)
    ranked = tuple(line for line in lines if line.rank is not None)
    group: tuple[Request, ...] = tuple(c.request for c in ranked[0].result.curves) if ranked else ()
    released = released_rules(results.setting.protocol) is not None
    eps = eps_texts(results.setting.eps) if names else ()
    audited = {line.name: marks.get((line.result.info.weights, results.setting.data)) for line in lines}
    further = _further(lines)
    found = {line.name: _mark(line, audited[line.name], eps) for line in lines}
    marked = {name: mark for name, mark in found.items() if mark and not released}
    grid = results.setting.eps
    return Headline(
        results=results,
        attacks=tuple(names[request] for request in group),
        stronger=(
            *(names[request] for request in group if request.attack in STRONGER),
            *(request_name(request) for request, _ in further if request.attack in STRONGER),
        ),
        eps=eps,
        ranked=ranked,
        unranked=tuple(line for line in lines if line.rank is None),
        attacked_by={line.name: tuple(names[c.request] for c in line.result.curves) for line in lines},
        marks=marked,
        unaudited=tuple(line.name for line in lines if audited[line.name] is None),
        further=tuple((request_name(request), count) for request, count in further),
        audited_at={
            name: grid.index(mark.eps) for name, mark in marked.items() if mark.eps in grid and mark.lowest
        },
        rules=_rules(results.setting.protocol),
        released=released,
    )


def _mark(line: Standing, audited: Mark | None, eps: Sequence[str]) -> Mark | None:
    """The audit's mark; if it found nothing, that another run got further or that these numbers are of one step."""
    found = line.beaten
    own = marked(audited.verdict, audited.level) if audited else ""
    counts = on_numbers(own, beaten=found is not None, single_step=line.result.single_step)
    if counts == ONE_STEP and audited:
        reason = "these numbers are of FGSM alone, a weak attack of one step; the audit ran attacks of many"
        return replace(audited, verdict=UPPER_BOUND, level=level_of(ONE_STEP), reason=reason)
    if found is None or counts != ROWS:
        return audited
    reason = (
        f"{found.attack} in another run: {percent(found.lowest.value)} % stand at ε = {eps[found.at]}, where the "
        f"attacks of this table leave {percent(found.own.value)} %"
    )
    return replace(
        audited or Mark(UPPER_BOUND, "rows", reason), verdict=UPPER_BOUND, level="rows", reason=reason
    )


def _further(lines: Sequence[Standing]) -> tuple[tuple[Request, int], ...]:
    """Attacks of other runs in the worst cases, each with the number of models it attacked."""
    met = [{other.curve.request for other in line.result.elsewhere} for line in lines]
    counts = Counter(request for requests in met for request in requests)
    return tuple(sorted(counts.items(), key=lambda each: request_name(each[0])))


def _rules(label: str) -> str:
    protocol = PROTOCOLS.get(label.partition("/")[0])
    return protocol.summary if protocol and protocol.label == label else ""
