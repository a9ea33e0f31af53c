"""The spread of numbers over seeds: those of training, or those of the attacks. The two are never mixed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from bench.attacks import Request
from bench.inputs.model_info import ModelInfo
from bench.numbers.stats import Share, Spread, over_seeds, wilson
from bench.studies.robustness.balls import lowest
from bench.studies.robustness.results import ModelResult, Results, Setting

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """One design trained with several seeds, with comparable measurements.

    Attributes:
        name: the design, which is the name of its replica of seed 0.
        members: names of the replicas, by seed.
        attacks: what all of them were measured under.
        clean: accuracy without attack, over the training seeds.
        worst: worst-case robust accuracy over the training seeds, by ε.
    """

    name: str
    members: tuple[str, ...]
    attacks: tuple[Request, ...]
    clean: Spread
    worst: tuple[Spread, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackSeeds:
    """One model attacked with several seeds.

    Attributes:
        model: name and weights.
        setting: what the measurements share, with the first of the seeds.
        attacks: what it was measured under with every seed.
        seeds: of the attacks, ascending.
        worst: worst-case robust accuracy over the attack seeds, by ε.
        joint: accuracy on the images that stand with every seed, by ε.
    """

    model: ModelInfo
    setting: Setting
    attacks: tuple[Request, ...]
    seeds: tuple[int, ...]
    worst: tuple[Spread, ...]
    joint: tuple[Share, ...]


def replicas(results: Results) -> tuple[Replicas, ...]:
    """The designs of which ``results`` holds at least two training replicas, in the order they appear.

    Replicas are models of the zoo named NAME, NAME@1, NAME@2 …, trained on the same data, with the same
    number of parameters and measured under the same attacks. A name that stands for several weights is left
    out, for its weights differ in more than the seed.
    """
    zoo = [model for model in results.models if model.info.origin == "zoo"]
    count = Counter(model.info.name for model in zoo)
    groups = _grouped(
        ((_base(m.info.name), m.info.trained_on, m.info.parameters, m.attack_set), m)
        for m in zoo
        if count[m.info.name] == 1
    )
    return tuple(
        _replicas(results, name, sorted(members, key=lambda m: _seed(m.info.name)))
        for (name, *_), members in groups.items()
        if len(members) > 1
    )


def over_attack_seeds(found: Sequence[Results]) -> tuple[AttackSeeds, ...]:
    """The models that were attacked with at least two seeds, all else being equal, in the order they appear.

    Args:
        found: results of any settings; those that differ in the seed alone are taken together, model by
            model, where the weights and the attacks are the same.
    """
    groups = _grouped(
        ((replace(results.setting, seed=0), m.info, m.attack_set), (results.setting.seed, results, m))
        for results in found
        for m in results.models
        if m.curves
    )
    return tuple(
        _attack_seeds({seed: (results, m) for seed, results, m in reversed(each)})
        for each in groups.values()
        if len({seed for seed, _, _ in each}) > 1
    )


def _replicas(results: Results, name: str, members: Sequence[ModelResult]) -> Replicas:
    # each under its own attacks: another run's attacks on one of them are no variation of training
    robust = np.array([lowest(results.setting, replace(m, elsewhere=())).mean(axis=1) for m in members])
    return Replicas(
        name=name,
        members=tuple(m.info.name for m in members),
        attacks=members[0].attack_set,
        clean=over_seeds([float(m.clean.correct.mean()) for m in members]),
        worst=tuple(over_seeds(column) for column in robust.T),
    )


def _attack_seeds(by_seed: dict[int, tuple[Results, ModelResult]]) -> AttackSeeds:
    seeds = tuple(sorted(by_seed))
    results, model = by_seed[seeds[0]]
    standing = np.stack([by_seed[seed][1].worst() for seed in seeds])  # seeds, ε, images
    return AttackSeeds(
        model=model.info,
        setting=results.setting,
        attacks=model.attack_set,
        seeds=seeds,
        worst=tuple(over_seeds(column) for column in standing.mean(axis=2).T),
        joint=tuple(wilson(int(k), results.setting.n) for k in np.all(standing, axis=0).sum(axis=1)),
    )


def _base(name: str) -> str:
    return name.partition("@")[0]


def _seed(name: str) -> int:
    return int(name.partition("@")[2] or 0)


def _grouped(pairs: Iterable[tuple[_Key, _Value]]) -> dict[_Key, list[_Value]]:
    groups: dict[_Key, list[_Value]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups
