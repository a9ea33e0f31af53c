"""The models of the paper with weights here, the training of these, and the commands that train the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.inputs.sources import find_source
from bench.studies.shared.ask import Ask
from zoo import registry


@dataclass(frozen=True, slots=True)
class Weights:
    """The available weights.

    Attributes:
        names: models with weights; replicas, ``NAME@1`` and on, after the one they are of.
        missing: models without, each with the command that trains it, by name.
        training: how the weights were made, in words.
        train: options with which ``bench train`` makes weights that are found in the same place.
    """

    names: tuple[str, ...]
    missing: dict[str, str]
    training: str
    train: str

    def of(self, wanted: Iterable[str], *, replicas: bool = False) -> tuple[str, ...]:
        """Those of the models wanted, on request with their replicas."""
        chosen = set(wanted)
        return tuple(
            name for name in self.names if name in chosen or (replicas and name.partition("@")[0] in chosen)
        )


def weights_of(ask: Ask, dataset: str, wanted: Sequence[str], *, seeds: int, options: str) -> Weights:
    """Looks for the weights of models.

    Args:
        ask: says where weights come from.
        dataset: data set measured on.
        wanted: names of the zoo.
        seeds: training runs of each model, as far as they are there.
        options: what names the data on the command line of ``bench train``.

    Raises:
        zoo.registry.WeightsError: there are none of any model, or the place is damaged.
    """
    found, faults = records_of(ask, dataset, [each for name in wanted for each in replicas(name, seeds)])
    if wanted and not found:
        raise faults[wanted[0]]
    # by name, as a store gives them back
    missing = {
        name: train_command(name, ask.weights_from, options) for name in sorted(wanted) if name in faults
    }
    return Weights(tuple(found), missing, _training(found), _options(ask.weights_from, options))


def replicas(name: str, seeds: int) -> list[str]:
    """The names of so many training runs of a model: ``NAME``, ``NAME@1`` and on."""
    return [f"{name}@{seed}" if seed else name for seed in range(seeds)]


def records_of(
    ask: Ask, dataset: str, names: Iterable[str]
) -> tuple[dict[str, registry.WeightsRecord], dict[str, registry.WeightsError]]:
    """The weights of models of the zoo, and why there are none of the others, by name."""
    found: dict[str, registry.WeightsRecord] = {}
    faults: dict[str, registry.WeightsError] = {}
    for name in names:
        source = find_source(name, dataset=dataset, weights=None, weights_from=ask.weights_from)
        try:
            found[name] = source.record()
        except registry.WeightsError as fault:
            faults[name] = fault
    return found, faults


def train_command(name: str, weights_from: str | None, options: str) -> str:
    """The command that trains a model so that its weights are found in the same place."""
    return f"bench train {name} {_options(weights_from, options)}"


def _options(weights_from: str | None, options: str) -> str:
    """The options besides the name that place these weights."""
    if weights_from is None:
        return options
    place = Path(weights_from)
    if place.is_dir():
        return f"{options} --out {place.name}"
    return registry.data_options(weights_from, "$DATA")


def _training(found: dict[str, registry.WeightsRecord]) -> str:
    """As in ``on digits for 15 epochs: a, b; on digits for 10 epochs: c``."""
    names: dict[tuple[str, int], list[str]] = {}
    for name, record in found.items():
        if "@" not in name:
            names.setdefault((record.dataset, record.epochs), []).append(name)
    if len(names) == 1:
        ((dataset, epochs),) = names
        return f"on {dataset} for {epochs} epochs"
    return "; ".join(
        f"on {of} for {epochs} epochs: {', '.join(each)}" for (of, epochs), each in names.items()
    )
