"""The section on seeds of a page: those of training and those of the attacks, each in a table of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.numbers.eps import eps_texts
from bench.studies.robustness.replicas import AttackSeeds, Replicas, over_attack_seeds, replicas

if TYPE_CHECKING:
    from bench.attacks import Request
    from bench.studies.robustness.results import Results, Setting


@dataclass(frozen=True, slots=True)
class TrainingTable:
    """Designs trained with several seeds, in one setting; rows are (replicas, their attacks)."""

    eps: tuple[str, ...]
    rows: tuple[tuple[Replicas, str], ...]


@dataclass(frozen=True, slots=True)
class AttackTable:
    """Models attacked with the same seeds and attacks in one setting; rows are (name, what was measured)."""

    setting: Setting
    eps: tuple[str, ...]
    attacks: str
    seeds: tuple[int, ...]
    rows: tuple[tuple[str, AttackSeeds], ...]


@dataclass(frozen=True, slots=True)
class Variation:
    """The section's two parts; false if there is nothing to show.

    Attributes:
        training: ``None`` where no design has several replicas.
        attacks: a table for each setting that was repeated with other seeds.
    """

    training: TrainingTable | None
    attacks: tuple[AttackTable, ...]

    def __bool__(self) -> bool:
        return self.training is not None or bool(self.attacks)


def variation(results: Results, others: Sequence[Results]) -> Variation:
    """The content of the section on seeds.

    Args:
        results: what the page is about; the training replicas among its models are compared.
        others: earlier settings; those that differ from another in the seed alone show the attacks' spread.
    """
    found = replicas(results)
    rows = tuple((each, _labels(each.attacks)) for each in found)
    training = TrainingTable(eps_texts(results.setting.eps), rows) if rows else None
    groups: dict[tuple[Setting, tuple[Request, ...], tuple[int, ...]], list[AttackSeeds]] = {}
    for each in over_attack_seeds([results, *others]):
        groups.setdefault((each.setting, each.attacks, each.seeds), []).append(each)
    tables = (
        AttackTable(setting, eps_texts(setting.eps), _labels(attacks), seeds, _named(models))
        for (setting, attacks, seeds), models in groups.items()
    )
    return Variation(training, tuple(tables))


def _labels(attacks: Sequence[Request]) -> str:
    return ", ".join(attack.label for attack in attacks)


def _named(models: Sequence[AttackSeeds]) -> tuple[tuple[str, AttackSeeds], ...]:
    count = Counter(each.model.name for each in models)
    return tuple(
        (
            each.model.name
            if count[each.model.name] == 1
            else f"{each.model.name} ({each.model.weights[:8]})",
            each,
        )
        for each in models
    )
