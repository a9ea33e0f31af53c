"""The paper's tables and figures as sections of a page, the needs of each, and the command that makes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from bench.studies.paper.published import Published, Statement, numbers, statements
from zoo.entries import PAPER_NAMES


@dataclass(frozen=True, slots=True)
class Section:
    """A section.

    Attributes:
        id: as in ``Published.section``.
        title: the paper's name for it.
        about: its content, in our words.
        option: of ``bench reproduce``.
    """

    id: str
    title: str
    about: str
    option: str


SECTIONS = {
    each.id: each
    for each in (
        Section("table1", "Table 1", "five models on CIFAR-10-C, by corruption and ε", "--table 1"),
        Section(
            "table2", "Table 2", "fully equivariant networks of 4 and 10 layers on CIFAR-10", "--table 2"
        ),
        Section(
            "table3", "Table 3", "fully equivariant networks of 4 and 10 layers on CIFAR-100", "--table 3"
        ),
        Section("table4", "Table 4", "a fully equivariant network beside adversarial training", "--table 4"),
        Section("figure1", "Figure 1", "five models of 4 layers, accuracy against ε", "--figure 1"),
        Section("figure2", "Figure 2", "five models of 10 layers, accuracy against ε", "--figure 2"),
        Section("figure5", "Figure 5", "maximum invariant perturbation of two images", "--figure 5"),
        Section("figure6", "Figure 6", "ablation of the branches on CIFAR-100", "--figure 6"),
        Section("text", "Text", "numbers and bounds quoted in the text", "--all"),
    )
}
# the model that the released Parallel script trains: half of each batch are FGSM examples
AS_RELEASED = {"parallel_gcnn": "parallel_gcnn.fgsm_mix"}
DATASETS = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "cifar10c": "CIFAR-10-C"}
_OBTAINED = {
    "cifar10": "--dataset cifar10 --download",
    "cifar100": "--dataset cifar100 --download",
    "cifar10c": "--dataset cifar10c --data-root $DATA --weights-from cifar10",
}


@dataclass(frozen=True, slots=True)
class Needed:
    """The content of a section: models of the zoo, attacks (none for Figure 5), ε, the paper's data sets."""

    models: tuple[str, ...]
    attacks: tuple[str, ...]
    eps: tuple[float, ...]
    datasets: tuple[str, ...]

    @property
    def measured(self) -> tuple[str, ...]:
        """The models, and those that are shown beside them trained as the released script trains."""
        beside = (AS_RELEASED[name] for name in self.models if self.attacks and name in AS_RELEASED)
        return (*self.models, *beside)


def numbers_of(section: str, dataset: str = "") -> tuple[Published, ...]:
    """The printed accuracies of a section, of one of the paper's data sets or of all."""
    return tuple(row for row in numbers() if row.section == section and dataset in ("", row.dataset))


def statements_of(section: str) -> tuple[Statement, ...]:
    """The other printed values of a section."""
    return tuple(row for row in statements() if row.section == section)


@cache
def needed(section: str) -> Needed:
    """The content of a section; Table 1's attack, which is not stated, is assumed to be PGD."""
    rows = numbers_of(section)
    if not rows:
        models = dict.fromkeys(PAPER_NAMES[row.model, 10] for row in statements_of(section))
        return Needed(tuple(models), (), (), tuple(dict.fromkeys(s.dataset for s in statements_of(section))))
    return Needed(
        tuple(dict.fromkeys(row.name for row in rows)),
        tuple(dict.fromkeys(attack_of(row) for row in rows)),
        tuple(sorted({row.eps for row in rows})),
        tuple(dict.fromkeys(row.dataset for row in rows)),
    )


def attack_of(row: Published) -> str:
    """The attack a printed number is compared under: zeros at ε = 0.03 say that Table 1's is PGD."""
    return "pgd" if row.attack == "unstated" else row.attack


def remedy(sections: Iterable[str], dataset: str, options: str = "") -> str:
    """The command that measures sections; ``options`` names the data where it is not the paper's own.

    On CIFAR-100, for which no weights are shipped, it trains the models first.
    """
    return _remedy(tuple(dict.fromkeys(sections)), dataset, options)


@cache
def _remedy(asked: tuple[str, ...], dataset: str, options: str) -> str:
    what = SECTIONS[asked[0]].option if len(asked) == 1 else "--all"
    measure = f"bench reproduce {what} {options or _OBTAINED[dataset]} --budget full"
    if options or dataset != "cifar100":
        return measure
    models = list(dict.fromkeys(row.name for each in asked for row in numbers_of(each, dataset)))
    if len(models) == 1:
        return f"bench train {models[0]} {_OBTAINED[dataset]} && {measure}"
    return f"for m in {' '.join(models)}; do bench train $m {_OBTAINED[dataset]}; done && {measure}"
