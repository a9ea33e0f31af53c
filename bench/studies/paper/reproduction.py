"""The measurements of one run, for its page beside the paper. Every part may be missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool

from bench.engine.protocols import SOUND, own_script
from bench.studies.mip.results import MipResults
from bench.studies.robustness.results import Curve, ModelResult, Results, Setting
from bench.studies.shared.commands import newest_command
from zoo.cifar10c import NAMES
from zoo.grouped import Groups

RELATIONS = ("same", "copy", "other")
COLUMNS = ("released", "sound")
_NEAR = 1e-9  # ε of a grid are equal up to this


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Corrupted:
    """Models on corrupted images.

    Attributes:
        results: under one protocol, on the first n images of the data set.
        groups: base image, corruption and severity of its images.
        official: whether these are the CIFAR-10-C files, not corruptions made here.
    """

    results: Results
    groups: Groups
    official: bool

    @property
    def whole(self) -> bool:
        """Whether this is CIFAR-10-C: its files, and all 19 of them."""
        return self.official and set(self.groups.names) == set(NAMES)

    @property
    def called(self) -> str:
        """The name of the images: never CIFAR-10-C unless they are CIFAR-10-C."""
        if self.whole:
            return "CIFAR-10-C"
        count = f"{len(self.groups.names)} of {len(NAMES)}"
        if self.official:
            return f"{count} corruptions of CIFAR-10-C"
        return f"{count} corruptions made here of {self.groups.base}"

    @property
    def bases(self) -> int:
        """Base images of which every version was measured: an image's versions are no independent evidence."""
        return self.results.setting.n // self.groups.block


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredModel:
    """One model under one protocol on one set of images."""

    setting: Setting
    result: ModelResult
    command: str

    def curve(self, attack: str) -> Curve | None:
        """The curve of an attack by its name, whatever library ran it: the first in the order of the request."""
        return next((c for c in self.result.curves if c.request.attack == attack), None)

    def at(self, attack: str, eps: float) -> Bool[np.ndarray, " n"] | None:
        """(n,) bool: which images stand at this ε; ``None`` if it was not measured."""
        curve, index = self.curve(attack), eps_index(self.setting.eps, eps)
        return None if curve is None or index is None else curve.standing[index]

    def digest(self, attack: str, eps: float) -> str:
        """The digest of the results behind ``at``; empty where it was not measured."""
        curve, index = self.curve(attack), eps_index(self.setting.eps, eps)
        return "" if curve is None or index is None else curve.digest[index]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Reproduction:
    """One run.

    Attributes:
        dataset: name of the data set that was measured.
        beside: the paper's data set whose numbers stand beside ours: ``cifar10`` or ``cifar100``.
        relation: how the two are related: the ``same`` images, a ``copy`` of them that changed the pixels, or ``other``
            images. With other images no difference is computed, and a claim about the paper's data cannot be decided.
        data_note: a sentence about the data set; may be empty.
        options: what names the data on the command line; by default ``--dataset`` and its name.
        budget: ``small`` or ``full``, as requested.
        sections: sections that were requested; see ``bench.studies.paper.SECTIONS``.
        results: the models under each protocol, unattacked images and FGSM and PGD over an ε grid. One
            ``Results`` a protocol; sound ones and released ones. Curves should be independent.
        corrupted: for Table 1, one a protocol.
        mip: for Figure 5.
        replicas: models that were trained with more than one seed, all of their trainings: ``NAME``, ``NAME@1``
            and on, one ``Results`` a protocol.
        training: a sentence on how the weights were made, with epochs and seeds.
        train: options with which ``bench train`` makes weights that are found here; by default those that name
            the data.
        command: the command that made this page.
        versions: package name → version of what computed it.
        missing: models without weights, each with the command that trains it, by name.
        failed: names of cells that failed, with the reason.
    """

    dataset: str
    beside: str
    relation: str
    command: str
    budget: str = "small"
    data_note: str = ""
    options: str = ""
    training: str = ""
    train: str = ""
    sections: tuple[str, ...] = ()
    results: tuple[Results, ...] = ()
    corrupted: tuple[Corrupted, ...] = ()
    mip: MipResults | None = None
    replicas: tuple[Results, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    failed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.relation not in RELATIONS:
            raise ValueError(f"relation is {self.relation!r}; it is one of {', '.join(RELATIONS)}")

    @property
    def data_options(self) -> str:
        """What names the data on the command line."""
        return self.options or f"--dataset {self.dataset}"

    @property
    def corrupted_called(self) -> str:
        """What the corrupted images are called: never CIFAR-10-C unless they are."""
        return "; ".join(dict.fromkeys(each.called for each in self.corrupted))

    @property
    def made_here(self) -> bool:
        """Whether there are corrupted images that were made here, and are not CIFAR-10-C."""
        return any(not each.official for each in self.corrupted)

    def column(self, column: str) -> dict[str, MeasuredModel]:
        """The models of a column by name.

        ``sound``: under the protocol ``sound``. ``released``: each under its own architecture's script (see
        ``bench.engine.protocols.own_script``). Any other: under the protocol of that label.
        """
        return _column(self.results, column)

    def corrupted_column(self, column: str) -> dict[str, tuple[Corrupted, MeasuredModel]]:
        """Like ``column``, for the corrupted images, each with the set it was measured on."""
        return {
            name: (each, measured)
            for each in self.corrupted
            for name, measured in _column((each.results,), column, corrupted=True).items()
        }

    def trainings(self, column: str) -> dict[str, list[MeasuredModel]]:
        """Like ``column``: all trainings of the models that have more than one, by the name of seed 0."""
        found: dict[str, list[MeasuredModel]] = {}
        for name, measured in _column(self.replicas, column).items():
            found.setdefault(name.partition("@")[0], []).append(measured)
        return {name: each for name, each in found.items() if len(each) > 1}

    @property
    def protocols(self) -> tuple[str, ...]:
        """Labels of all protocols measured on uncorrupted images, released ones first."""
        labels = list(dict.fromkeys(results.setting.protocol for results in self.results))
        return tuple(sorted(labels, key=lambda label: label == SOUND.label))


def eps_index(grid: Sequence[float], eps: float) -> int | None:
    """Where an ε stands in a grid."""
    return next((i for i, each in enumerate(grid) if abs(each - eps) < _NEAR), None)


def _column(results: Iterable[Results], column: str, *, corrupted: bool = False) -> dict[str, MeasuredModel]:
    found = {}
    for each in results:
        for model in each.models:
            name, label = model.info.name, column
            if column == "sound":
                label = SOUND.label
            elif column == "released":
                label = own_script(name, corrupted=corrupted).label
            if each.setting.protocol == label:
                found[name] = MeasuredModel(each.setting, model, newest_command(each.command))
    return found
