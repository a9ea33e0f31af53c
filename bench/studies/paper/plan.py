"""The measurements for the paper's tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.attacks import parse_requests
from bench.engine.lane import Lane
from bench.engine.loaded import Loaded
from bench.engine.protocols import RELEASED, own_script
from bench.engine.versions import versions
from bench.inputs.images import base_of, groups_of
from bench.inputs.sources import Images
from bench.studies.mip.evaluation import MipEvaluation, prepare_mip
from bench.studies.paper import SECTIONS, needed
from bench.studies.robustness.evaluation import Evaluation, prepare_on
from bench.studies.shared.ask import Ask
from bench.studies.shared.weights import Weights, weights_of
from bench.studies.shared.where import check_device
from zoo.entries import ENTRIES
from zoo.registry import data_options

CORRUPTED = "table1"
REMOVAL = "figure5"
# ε under a model's own script where four must do: all of Tables 2 and 3, or spread over the figures' fifteen
FOUR_OF_TABLES = (0.01, 0.03, 0.05, 0.10)
FOUR_OF_FIGURES = (0.01, 0.03, 0.10, 0.15)
SHARED = (0.01, 0.03)  # of both: for the same weights under every script
_ABOUT = {"cifar10": {"cifar10", "cifar10c"}, "cifar100": {"cifar100"}, "cifar10c": {"cifar10c"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSizes:
    """The amount of measurements; ``None`` for everything.

    Attributes:
        sound: images under ``sound``.
        released: images for each model under its own script.
        few: whether four ε are used there, instead of the paper's fifteen.
        across: images for each model under the scripts of the others, which only the whole paper asks for,
            and there for the zoo's models that the paper has no number of.
        bases: images under each corruption and severity.
        removal: images for Figure 5.
        seeds: training runs of each model, as far as their weights are there.
    """

    sound: int | None
    released: int | None
    few: bool
    across: int
    bases: int | None
    removal: int
    seeds: int


SIZES = {
    "small": PaperSizes(sound=1000, released=256, few=True, across=256, bases=4, removal=200, seeds=1),
    "full": PaperSizes(sound=None, released=None, few=False, across=1000, bases=None, removal=1000, seeds=5),
}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Plan:
    """A reproduction that can be run: all checks have passed.

    Attributes:
        page: facts about the run for the page, by field of ``bench.studies.paper.Reproduction``.
        sound, released: evaluations of plain images; those of models that are no part of the paper, and those
            under other models' scripts, are last.
        corrupted: evaluations of corrupted images.
        official: whether these are the files of CIFAR-10-C.
        removal: the evaluation for Figure 5.
        elsewhere: sections asked for that are about other data of the paper's.
    """

    page: dict[str, Any]
    sound: tuple[Evaluation, ...]
    released: tuple[Evaluation, ...]
    corrupted: tuple[Evaluation, ...]
    official: bool
    removal: MipEvaluation | None
    elsewhere: tuple[str, ...]

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        parts = [*self.evaluations, *([self.removal] if self.removal else [])]
        return parts[0].device if parts else "cpu"

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.page["dataset"]

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """All that attack."""
        return (*self.sound, *self.released, *self.corrupted)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """All lanes, in the order they are run."""
        lanes = [lane for evaluation in self.evaluations for lane in evaluation.lanes]
        return (*lanes, *(self.removal.lanes if self.removal else ()))

    @property
    def loaded(self) -> Loaded:
        """The images that are loaded, for a run in this process."""
        loaded = Loaded()
        for evaluation in (*self.evaluations, *([self.removal] if self.removal else [])):
            loaded.keep_data(evaluation.source, evaluation.data)
        return loaded

    def manifest(self) -> dict[str, Any]:
        """The record in a store, from which the page can be drawn again."""
        removal = self.removal
        return {
            "schema": 1,
            "kind": "reproduction",
            "page": self.page | {"versions": versions()},
            "plain": [evaluation.manifest() for evaluation in (*self.sound, *self.released)],
            "corrupted": [evaluation.manifest() for evaluation in self.corrupted],
            "official": self.official,
            "mip": removal
            and {"setting": asdict(removal.setting), "models": [asdict(info) for info in removal.infos]},
        }


def plan(ask: Ask, sections: Sequence[str], *, budget: str, options: str, sizes: PaperSizes) -> Plan:
    """Resolves the measurements of the paper's sections on a data set, and checks every model once.

    A section about other data of the paper's is left out, and so is a model without weights; the plan says
    which. The whole paper takes all its models on any plain images, for the claims, and the rest of the zoo
    under every protocol at two ε.

    Args:
        ask: data, seed, device and where weights come from; its models, attacks and sizes are ignored.
        sections: ids of ``bench.studies.paper.SECTIONS``; none for all.
        budget: name of the sizes.
        options: of the command line that name the data.
        sizes: how much to measure.

    Raises:
        UsageError: it cannot be done.
        zoo.data.DataError, zoo.registry.WeightsError: data or all weights are missing, or something is damaged.
    """
    check_device(ask.device)
    plain = ask.data.spec.partition(":")[0] not in ("corrupted", "cifar10c")
    # the seed is that of corruptions alone
    on = _Loaded.load(replace(ask, data=replace(ask.data, seed=0)) if plain else ask)
    beside, relation = relation_to(ask.data.spec, on.data.name, sections)
    asked = tuple(sections) or tuple(SECTIONS)
    here = [each for each in asked if set(needed(each).datasets) & _ABOUT[beside]]
    attacked = [
        each for each in (asked if plain and not sections else here) if each not in (CORRUPTED, REMOVAL)
    ]
    table, removal = CORRUPTED in here, REMOVAL in here and plain
    parts = [*attacked, *([CORRUPTED] if table else []), *([REMOVAL] if removal else [])]
    models = _models(attacked)
    # the paper has no number of these; they are in the figure of all scripts, which has every model
    others = [each for each in ENTRIES if each not in models] if plain and not sections else []
    weights = _weights(ask, on.data, [*_models(parts), *others], sizes.seeds, options if plain else "")
    trained = weights.of(models, replicas=True)
    corrupted = _Loaded.load(_under_corruptions(ask) if plain else ask) if table else on
    return Plan(
        page={
            "dataset": on.data.name,
            "beside": beside,
            "relation": relation,
            "command": ask.command,
            "budget": budget,
            "options": options + _weights_option(ask.weights_from),
            "training": weights.training,
            "train": weights.train,
            "sections": list(sections),
            "missing": weights.missing,
        },
        sound=(
            *on.sound(trained, _eps(attacked), on.first(sizes.sound)),
            *on.sound(weights.of(others), SHARED, on.first(sizes.across)),
        ),
        released=(
            *_own(on, trained, sizes),
            *(() if sections else _across(on, weights.of(models), weights.of(others), sizes)),
        ),
        corrupted=_table(corrupted, weights, sizes.bases) if table else (),
        official=ask.data.spec.partition(":")[0] == "cifar10c",
        removal=on.removal(weights.of(_models([REMOVAL])), sizes.removal) if removal else None,
        elsewhere=tuple(each for each in asked if each not in here),
    )


def relation_to(spec: str, name: str, sections: Sequence[str] = ()) -> tuple[str, str]:
    """The paper's data set that is compared with images, and the relation of the two.

    Args:
        spec: as ``zoo.data.load`` takes it.
        name: what rows call the images; one that begins with ``cifar10-`` is a copy of CIFAR-10.
        sections: the request: images that the paper does not use are compared with the data of these sections.
    """
    kind = spec.partition(":")[0]
    if kind in ("corrupted", "cifar10c"):
        return "cifar10c", "same" if kind == "cifar10c" else "other"
    for known in ("cifar10", "cifar100"):
        if spec == known:
            return known, "same"
        if name == known or name.startswith(f"{known}-"):
            return known, "copy"
    only = bool(sections) and all(needed(each).datasets == ("cifar100",) for each in sections)
    return "cifar100" if only else "cifar10", "other"


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """Loaded images and models, and the evaluations that can be made of them."""

    ask: Ask
    data: Images
    models: Loaded = field(default_factory=Loaded)

    @classmethod
    def load(cls, ask: Ask) -> _Loaded:
        return cls(ask, ask.data.load(download=ask.download))

    def first(self, n: int | None) -> int:
        """The first n images, or all where there are no more."""
        return len(self.data) if n is None else min(n, len(self.data))

    def sound(self, models: Sequence[str], eps: tuple[float, ...], n: int) -> tuple[Evaluation, ...]:
        """FGSM and PGD with their defaults at each ε anew."""
        if not models:
            return ()
        requests = parse_requests(["fgsm", "pgd"], params={})
        ask = replace(self.ask, models=tuple(models), requests=requests, eps=eps, n=n, independent=True)
        return (prepare_on(ask, self.data, self.models),)

    def released(self, parts: Iterable[tuple[str, str, tuple[float, ...]]], n: int) -> tuple[Evaluation, ...]:
        """Evaluations of parts (model, protocol, ε), those that differ in the model alone in one."""
        models: dict[tuple[str, tuple[float, ...]], list[str]] = {}
        for model, protocol, eps in parts:
            models.setdefault((protocol, eps), []).append(model)
        ask = replace(self.ask, batch=None)  # a script has its own
        return tuple(
            prepare_on(
                replace(ask, models=tuple(each), eps=eps, n=n, protocol=protocol), self.data, self.models
            )
            for (protocol, eps), each in models.items()
        )

    def removal(self, models: Sequence[str], n: int) -> MipEvaluation | None:
        """Ten draws an image."""
        return (
            prepare_mip(replace(self.ask, models=tuple(models), n=self.first(n), batch=None))
            if models
            else None
        )


def _own(on: _Loaded, models: Sequence[str], sizes: PaperSizes) -> tuple[Evaluation, ...]:
    """Each model under its own script."""
    parts = [(name, own_script(name).name, _own_eps(name, few=sizes.few)) for name in models]
    return on.released(parts, on.first(sizes.released))


def _across(
    on: _Loaded, models: Sequence[str], others: Sequence[str], sizes: PaperSizes
) -> tuple[Evaluation, ...]:
    """The paper's models under the scripts that are not their own, and the others under all."""
    parts = [
        (name, rules.name, SHARED)
        for rules in RELEASED.values()
        for name in (*models, *others)
        if name in others or rules != own_script(name)
    ]
    return on.released(parts, on.first(sizes.across))


def _own_eps(name: str, *, few: bool) -> tuple[float, ...]:
    """The same whatever sections are requested: under a script all ε of a model are one cell."""
    if not few:
        return needed("figure2").eps
    in_tables = name.partition("@")[0] in _models(["table2", "table4"])
    return FOUR_OF_TABLES if in_tables else FOUR_OF_FIGURES


def _table(on: _Loaded, weights: Weights, bases: int | None) -> tuple[Evaluation, ...]:
    """Table 1: whole base images under every corruption and severity."""
    groups = groups_of(on.data)
    assert groups is not None
    n = min(bases or groups.images, groups.images) * groups.block
    of = needed(CORRUPTED)
    models = weights.of(of.measured)
    own = [(name, own_script(name, corrupted=True).name, of.eps) for name in models]
    return (*on.sound(models, of.eps, n), *on.released(own, n))


def _under_corruptions(ask: Ask) -> Ask:
    return replace(ask, data=replace(ask.data, spec=f"corrupted:{ask.data.spec}"))


def _weights_option(weights: str | None) -> str:
    """What names the weights on the command line; a path by its last part."""
    return f" --weights-from {Path(weights).name}" if weights else ""


def _weights(ask: Ask, data: Images, models: Sequence[str], seeds: int, options: str) -> Weights:
    base = base_of(data)[0]
    options = options or data_options(base, "$DATA")
    return weights_of(ask, base, models, seeds=seeds, options=options)


def _models(sections: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for each in sections for name in needed(each).measured))


def _eps(sections: Iterable[str]) -> tuple[float, ...]:
    return tuple(sorted({eps for each in sections for eps in needed(each).eps}))
