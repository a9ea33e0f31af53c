"""The headline table of a setting: its models ranked, with what an audit found beside their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.protocols import PROTOCOLS, released_rules
from bench.report.audit_section import Mark, Marks
from bench.report.format import attack_names, eps_texts

if TYPE_CHECKING:
    from bench.attacks import Request
    from bench.ranking import Standing
    from bench.results import Results

# AutoAttack and its members: what papers mean by an attack stronger than FGSM and PGD
STRONGER = ("autoattack", "apgd_ce", "apgd_dlr", "apgd_t", "fab_t", "square")


@dataclass(frozen=True, slots=True)
class Headline:
    """The headline table of one setting.

    Attributes:
        results: what was measured.
        attacks: names of the attacks of the ranked group.
        stronger: those of them that are AutoAttack or belong to it.
        eps: texts of the ε grid; empty where no model met an attack.
        ranked, unranked: the models.
        attacked_by: names of each model's attacks, by the model's name in the table.
        marks: audit verdicts, by the model's name in the table; none under a released protocol, which no
            audit is of.
        rules: the protocol in words; empty if it is not one of this version.
        released: whether it is a released protocol, whose numbers are no robust accuracies.
    """

    results: Results
    attacks: tuple[str, ...]
    stronger: tuple[str, ...]
    eps: tuple[str, ...]
    ranked: tuple[Standing, ...]
    unranked: tuple[Standing, ...]
    attacked_by: Mapping[str, tuple[str, ...]]
    marks: Mapping[str, Mark]
    rules: str
    released: bool

    @property
    def verdicts(self) -> frozenset[str]:
        """The verdicts that occur in the table."""
        return frozenset(mark.verdict for mark in self.marks.values())

    @property
    def unaudited(self) -> tuple[str, ...]:
        """Names of the models without an audit."""
        return tuple(line.name for line in (*self.ranked, *self.unranked) if line.name not in self.marks)


def headline(results: Results, lines: Sequence[Standing], marks: Marks) -> Headline:
    """The table of a setting, models in the order of ``lines``; ``marks`` are of any models and data."""
    names = attack_names(results)
    ranked = tuple(line for line in lines if line.rank is not None)
    group: tuple[Request, ...] = tuple(c.request for c in ranked[0].result.curves) if ranked else ()
    released = released_rules(results.setting.protocol) is not None
    found = {line.name: marks.get((line.result.info.weights, results.setting.data)) for line in lines}
    return Headline(
        results=results,
        attacks=tuple(names[request] for request in group),
        stronger=tuple(names[request] for request in group if request.attack in STRONGER),
        eps=eps_texts(results.setting.eps) if names else (),
        ranked=ranked,
        unranked=tuple(line for line in lines if line.rank is None),
        attacked_by={line.name: tuple(names[c.request] for c in line.result.curves) for line in lines},
        marks={name: mark for name, mark in found.items() if mark and not released},
        rules=_rules(results.setting.protocol),
        released=released,
    )


def _rules(label: str) -> str:
    protocol = PROTOCOLS.get(label.partition("/")[0])
    return protocol.summary if protocol and protocol.label == label else ""
