"""Requests for the trade-off of spatial and adversarial robustness."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from bench.attacks import Request, parse_requests
from bench.engine.lane import Lane
from bench.engine.loaded import Loaded
from bench.engine.store import Store
from bench.engine.versions import versions
from bench.errors import UsageError
from bench.inputs.images import base_of, checked_n
from bench.inputs.sources import Images, find_source
from bench.studies.robustness.estimate import seconds_left
from bench.studies.robustness.evaluation import Evaluation, prepare_on
from bench.studies.shared.ask import Ask
from bench.studies.shared.weights import records_of, replicas, train_command
from bench.studies.shared.where import check_device
from bench.studies.spatial.evaluation import SpatialEvaluation, most_seconds, prepare_spatial
from bench.studies.spatial.setting import DRAWS, ROTATIONS, Options
from bench.studies.tradeoff.claim import ARCHITECTURES, RECIPES
from bench.studies.tradeoff.results import FRONT_NAMES, NARROW, WIDE, model_name
from zoo import entries, held_out, registry
from zoo.data import DataError

DEFAULT_MODELS = tuple(model_name(name, recipe) for name in ARCHITECTURES for recipe in RECIPES)
DEFAULT_N = 1000
FRONT_N = 100  # AutoAttack takes about a minute of one core for a model of the zoo that withstands it
FRONT_CLASSES = 4  # AutoAttack's targeted part needs as many classes


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeoffSizes:
    """The amount of measurements.

    Attributes:
        rotations: largest angles in degrees; ±30° and ±180° are always among them.
        draws, interpolation, fill: as in ``bench.studies.spatial.setting.Options``.
        attack: of the front besides PGD, at the largest ε: ``autoattack10``, ``autoattack``, or ``pgd`` for none.
        front_n: images of that attack, at most all; ``None`` for the default.
        steps: of PGD and AutoAttack; ``None`` for their own.
        seeds: training runs of each model, as far as their weights are there.
    """

    rotations: tuple[float, ...] = ROTATIONS
    draws: int = DRAWS
    interpolation: str = "bilinear"
    fill: str = "black"
    attack: str = "autoattack10"
    front_n: int | None = None
    steps: int | None = None
    seeds: int = 3

    @property
    def options(self) -> Options:
        """Of the spatial evaluation; raises ``UsageError`` for values that cannot be."""
        return Options(
            rotations=tuple(sorted({NARROW, WIDE, *self.rotations})),
            translations=(),
            draws=self.draws,
            grid=None,
            turns=0,
            interpolation=self.interpolation,
            fill=self.fill,
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TradeoffPlan:
    """A run that can be carried out: all checks have passed.

    Attributes:
        page: facts about the run for the page, besides numbers.
        spatial, pgd: of all models; ``front`` of those in the plane, ``None`` where PGD is its attack.
    """

    page: dict[str, Any]
    spatial: SpatialEvaluation
    pgd: Evaluation
    front: Evaluation | None

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return self.pgd.device

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.pgd.setting.dataset

    @property
    def parts(self) -> tuple[SpatialEvaluation | Evaluation, ...]:
        """All measurements, the most expensive last."""
        return (self.pgd, self.spatial, *([self.front] if self.front else []))

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """All lanes, in the order they are run."""
        return tuple(lane for part in self.parts for lane in part.lanes)

    @property
    def loaded(self) -> Loaded:
        """What this process has loaded."""
        return self.pgd.loaded

    def manifest(self) -> dict[str, Any]:
        """The record in a store, from which the page can be drawn again."""
        return {
            "schema": 1,
            "kind": "tradeoff",
            "page": self.page | {"versions": versions()},
            "pgd": self.pgd.manifest(),
            "front": self.front and self.front.manifest(),
            "spatial": {
                "setting": asdict(self.spatial.setting),
                "models": [asdict(info) for info in self.spatial.infos],
            },
        }


def plan_tradeoff(ask: Ask, sizes: TradeoffSizes, *, options: str) -> TradeoffPlan:
    """Resolves the request and checks every model once; a model of the zoo without weights is left out.

    Args:
        ask: models, data, n, ε grid, seed and device; attacks are ignored.
        sizes: amount of measurements.
        options: of ``bench train`` that name the data.

    Raises:
        UsageError: it cannot be done.
        zoo.data.DataError, zoo.registry.WeightsError: data or all weights are missing, or something is damaged.
    """
    check_device(ask.device)
    data = ask.data.load(download=ask.download)
    n = checked_n(ask.n, data, DEFAULT_N)
    front_n = _front_n(sizes, data, n)
    names, missing = _found(ask, base_of(data)[0], sizes.seeds, options)
    best = _best(ask, base_of(data)[0], names)
    ask = replace(ask, models=(*names, *best), n=n, norm="linf")
    pgd = prepare_on(replace(ask, requests=_request("pgd", sizes)), data)
    spatial = prepare_spatial(ask, sizes.options)
    front = None
    if sizes.attack != "pgd":
        alone = replace(ask, requests=_request(sizes.attack, sizes), models=names, n=front_n)
        front = prepare_on(replace(alone, eps=pgd.setting.eps[-1:]), data)
    page = {
        "attack": sizes.attack,
        "front_n": front_n,
        "command": ask.command,
        "missing": missing,
        "best": list(best),
        "training": _training(ask, pgd),
    }
    return TradeoffPlan(page=page, spatial=spatial, pgd=pgd, front=front)


def tradeoff_seconds(plan: TradeoffPlan, store: Store) -> float:
    """Seconds of one worker that the missing cells take at most: as if every image withstood everything."""
    attacks = [plan.pgd, *([plan.front] if plan.front else [])]
    return sum(seconds_left(each, store) for each in attacks) + most_seconds(plan.spatial, store)


def _front_n(sizes: TradeoffSizes, data: Images, n: int) -> int:
    if sizes.attack not in FRONT_NAMES:
        raise UsageError(f"unknown --front {sizes.attack!r}; use {', '.join(FRONT_NAMES)}")
    if sizes.attack == "pgd":
        if sizes.front_n is not None:
            raise UsageError(
                f"--front-n is {sizes.front_n}, images of AutoAttack, which --front pgd does not run; leave it out"
            )
        return n
    if len(data.classes) < FRONT_CLASSES:
        raise UsageError(
            f"{data.name} has {len(data.classes)} classes and AutoAttack takes {FRONT_CLASSES} or more; use --front pgd"
        )
    if sizes.front_n is not None and not 1 <= sizes.front_n <= n:
        raise UsageError(f"--front-n is {sizes.front_n}; it is a number of images from 1 to {n}")
    return sizes.front_n or min(n, FRONT_N)


def _request(attack: str, sizes: TradeoffSizes) -> tuple[Request, ...]:
    return parse_requests([attack], params={} if sizes.steps is None else {"steps": sizes.steps})


def _found(ask: Ask, dataset: str, seeds: int, options: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Models with weights, replicas among them, and those without any, each with the command that trains it."""
    asked = [_shortest(name) for name in ask.models]
    own = [
        name
        for name in asked
        if find_source(name, dataset=dataset, weights=None, weights_from=None).kind != "zoo"
    ]
    wanted = {name: [name] if "@" in name else replicas(name, seeds) for name in asked if name not in own}
    found, faults = records_of(ask, dataset, dict.fromkeys(itertools.chain(*wanted.values())))
    if not found and not own:
        raise next(iter(faults.values()))
    missing = {
        name: train_command(name, ask.weights_from, options)
        for name in sorted(wanted)
        if not any(each in found for each in wanted[name])
    }
    return (*found, *dict.fromkeys(own)), missing


def _shortest(name: str) -> str:
    """A zoo's name in its shortest form; any other as it is."""
    try:
        return entries.parsed(name).name
    except entries.UnknownModel:
        return name


def _best(ask: Ask, dataset: str, names: Sequence[str]) -> tuple[str, ...]:
    """The best epochs' weights of the very trainings that made these; one asked for by name is a model itself."""

    def training(name: str) -> tuple[Any, ...]:
        record = find_source(name, dataset=dataset, weights=None, weights_from=ask.weights_from).record()
        return record.recipe, record.epochs, record.data_sha256

    found: dict[str, None] = {}
    for name in names:
        try:
            known = entries.parsed(name)
            best = entries.made(known.architecture, known.depth, known.recipe, known.seed, best=True).name
            if training(best) == training(name):
                found[best] = None
        except (entries.UnknownModel, registry.WeightsError):  # a user's own model, or there are none
            continue
    return tuple(name for name in found if name not in names)


def _training(ask: Ask, pgd: Evaluation) -> dict[str, dict[str, int]]:
    """Images and epochs of each model's training; no images where it was trained on other data than this."""
    records = {s.name: s.record() for s, info in pgd.models if info.origin == "zoo"}
    try:
        train = ask.data.load(split="train")
    except DataError:
        return {name: {"epochs": record.epochs} for name, record in records.items()}
    labels = torch.from_numpy(train.labels.copy())
    shares = {
        name: record.recipe.get("held_out", 0.0)
        for name, record in records.items()
        if record.data_sha256 == train.sha256
    }
    counts = {share: len(held_out.split(labels, share)[0]) for share in set(shares.values())}
    return {
        name: {"epochs": record.epochs} | ({"images": counts[shares[name]]} if name in shares else {})
        for name, record in records.items()
    }
