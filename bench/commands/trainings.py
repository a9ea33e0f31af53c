"""The trainings of a request of ``bench train``, and those of them that are done."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.errors import UsageError
from bench.inputs import own_training
from bench.inputs.own_training import Architecture
from bench.studies.shared.options import names
from zoo import entries, recipes, registry
from zoo.data import Dataset


@dataclass(frozen=True)
class Training:
    """One model to train: its entry, recipe and seed, and the user's own architecture, if it is one."""

    entry: entries.Entry
    recipe: recipes.Recipe
    seed: int
    own: Architecture | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its weights: of the last epoch and, if images are held out, of the best one."""
        last, best = (
            entries.made(
                self.entry.architecture, self.entry.depth, self.recipe.name, self.seed, best=best
            ).name
            for best in (False, True)
        )
        return (last, best) if self.recipe.held_out else (last,)


@dataclass(frozen=True)
class Replica:
    """A requested model with a seed."""

    entry: entries.Entry
    seed: int
    own: Architecture | None


def replicas(options: Namespace) -> list[Replica]:
    """Every requested model with every seed, in the order given.

    Raises UsageError for options that contradict each other or a name, UnknownModel.
    """
    found = [(text, *_entry(text)) for text in _models(options)]
    if options.width != "1" and (names := [entry.architecture for _, own, entry in found if own]):
        raise UsageError(f"--width is of the zoo's models, and {names[0]} is one's own; leave it out")
    return [Replica(entry, seed, own) for text, own, entry in found for seed in _seeds(options, text)]


def _entry(text: str) -> tuple[Architecture | None, entries.Entry]:
    own = own_training.asked(text)
    return own or (None, entries.entry(text))


def asked(wanted: Sequence[Replica], options: Namespace, levels: int) -> list[Training]:
    """Their trainings on images of so many ``levels``, each once: two names by one ``--recipe`` may be the same.

    Raises UsageError for numbers that cannot be, UnknownRecipe.
    """
    found = [
        Training(each.entry, _recipe(options, each.entry, levels), each.seed, each.own) for each in wanted
    ]
    return list({each.names[0]: each for each in found}.values())


def finished(
    out: Path, training: Training, data: Dataset, width: float | str
) -> registry.WeightsRecord | None:
    """The record of a model trained in exactly this way, if all its weights, also the best epoch's, are whole."""
    made = {
        "recipe": training.recipe.row,
        "data_sha256": data.sha256,
        "width": width,
        "seed": training.seed,
    }
    known = registry.records(out)
    found = [known.get(f"{data.name}/{name}") for name in training.names]
    for record in found:
        if record is None or any(getattr(record, name) != value for name, value in made.items()):
            return None
        try:
            if training.own is None:
                registry.load_record(record)
            else:
                registry.load_into(training.own.build(), record)
        except registry.WeightsError:  # lost, damaged or of other code: it is trained again
            return None
    return found[0]


def _models(options: Namespace) -> list[str]:
    found = [
        name for part in names(options.models) for name in (entries.ENTRIES if part == "all" else [part])
    ]
    if not found:
        raise UsageError(f"no model in {options.models!r}; give names with commas between, or all")
    return found


def _recipe(options: Namespace, entry: entries.Entry, levels: int) -> recipes.Recipe:
    """The recipe asked for by option or name, with the options that change its numbers."""
    recipe = recipes.recipe(options.recipe or entry.recipe, levels)
    recipe = replace(recipe, epochs=at_least_one("--epochs", options.epochs, recipe.epochs))
    share = recipe.held_out if options.held_out is None else options.held_out
    if not 0 <= share < 1:
        raise UsageError(f"--held-out is {share:g}; give a share from 0 to below 1, e.g. 0.1")
    if entry.best and not share:
        raise UsageError(f"{entry.name} is the best epoch on held-out images; add --held-out 0.1")
    return replace(recipe, held_out=share, precision=options.precision or recipe.precision)


def _seeds(options: Namespace, text: str) -> Iterator[int]:
    """The seeds of a model of that name: those of ``--seeds``, that of ``--seed``, or the name's own."""
    if options.seeds is None:
        _, entry = _entry(text)
        if options.seed not in (None, entry.seed) and "@" in text:
            raise UsageError(f"{text!r} says seed {entry.seed}, --seed {options.seed}; leave one of them out")
        yield entry.seed if options.seed is None else options.seed
        return
    if options.seed is not None:
        raise UsageError("--seed and --seeds were both given; give --seeds alone to train several replicas")
    if "@" in text:
        raise UsageError(f"{text!r} names its own seed; with --seeds leave out what begins at the @")
    for part in options.seeds.split(","):
        ends = re.fullmatch(r"\s*([0-9]+)(?:\.\.([0-9]+))?\s*", part)
        first, last = (int(ends[1]), int(ends[2] or ends[1])) if ends else (1, 0)
        if last < first:
            raise UsageError(f"--seeds is {options.seeds!r}; write e.g. 0..4 or 0,2,5")
        yield from range(first, last + 1)


def at_least_one(option: str, value: int | None, default: int) -> int:
    """The value of an option, or the default without it; raises UsageError below 1."""
    if value is not None and value < 1:
        raise UsageError(f"{option} is {value}; it must be at least 1")
    return value or default
