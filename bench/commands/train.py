"""``bench train``: trains a model of the zoo and writes its weights where ``bench run`` finds them."""

from __future__ import annotations

import contextlib
import os
import sys
from argparse import Namespace
from dataclasses import asdict, replace
from pathlib import Path

from bench.commands.options import data_source
from bench.commands.screen import say
from bench.errors import UsageError
from bench.evaluation import check_device
from zoo import entries, recipes, registry, train
from zoo.data import Dataset


def execute(options: Namespace) -> int:
    """Trains until the recipe's last epoch, going on from a checkpoint if there is one.

    With ``--seeds`` it does so for one replica after another, and passes over those that are done.
    """
    check_device(options.device)
    entry = entries.entry(options.model)
    seeds = _seeds(options)
    source = data_source(options)
    data = source.load(split="train", download=options.download)
    test = source.load(split="test", download=options.download)
    recipe = recipes.recipe(options.recipe or entry.recipe, data.levels)
    recipe = replace(recipe, epochs=_at_least_one("--epochs", options.epochs, recipe.epochs))
    threads = _at_least_one("--threads", options.threads, os.cpu_count() or 1)
    width = _width(options.width)
    for seed in seeds or (entry.seed if options.seed is None else options.seed,):
        done = _finished(Path(options.out), entry, recipe, seed, data, width) if seeds else None
        if done is not None:
            say(f"{done.path}: already trained by this recipe; remove it to train again")
            continue
        trained = train.train(
            entry.name,
            data,
            test=test,
            recipe=recipe,
            seed=seed,
            threads=threads,
            device=options.device,
            out=Path(options.out),
            width=width,
            progress=_Lines(
                f"training {entry.name} on {data.name}: {len(data)} images, recipe {recipe.name}, seed {seed}"
            ),
        )
        _tell(trained, options)
    return 0


def _tell(trained: train.Trained, options: Namespace) -> None:
    record = trained.record
    say(
        f"{record.path}: clean accuracy {100 * (record.clean_acc or 0):.2f} % on {record.clean_n} test images; "
        f"half precision changed {trained.changed} of {trained.compared} predictions"
    )
    say(
        f"measure it: bench run --model {record.name} --dataset {options.dataset} --weights-from {options.out}"
    )


def _seeds(options: Namespace) -> tuple[int, ...]:
    """The seeds of ``--seeds``, each once, in the order given; none without it."""
    if options.seeds is None:
        return ()
    if options.seed is not None:
        raise UsageError("--seed and --seeds were both given; give --seeds alone to train several replicas")
    if "@" in options.model:
        raise UsageError(f"{options.model!r} names its own seed; with --seeds leave out what begins at the @")
    found: list[int] = []
    for part in options.seeds.split(","):
        first, dots, last = part.strip().partition("..")
        ends = [first, last] if dots else [first]
        if not all(end.isascii() and end.isdecimal() for end in ends) or int(ends[-1]) < int(ends[0]):
            raise UsageError(f"--seeds is {options.seeds!r}; write e.g. 0..4 or 0,2,5")
        found += range(int(ends[0]), int(ends[-1]) + 1)
    return tuple(dict.fromkeys(found))


def _finished(
    out: Path, entry: entries.Entry, recipe: recipes.Recipe, seed: int, data: Dataset, width: float | str
) -> registry.WeightsRecord | None:
    """The record of a replica that is trained just so, if its weights are whole."""
    made = {"recipe": asdict(recipe), "data_sha256": data.sha256, "width": width, "seed": seed}
    for record in registry.records(out).values():
        same_design = (record.architecture, entries.entry(record.name).depth) == (
            entry.architecture,
            entry.depth,
        )
        if same_design and all(getattr(record, name) == value for name, value in made.items()):
            with contextlib.suppress(registry.WeightsError):  # lost or damaged: it is trained again
                registry.load_record(record)
                return record
    return None


class _Lines:
    """Prints a headline, one line an epoch, and on a terminal the running epoch too."""

    def __init__(self, headline: str) -> None:
        self._headline = headline
        self._live = sys.stderr.isatty()

    def __call__(self, now: train.Progress) -> None:
        if self._headline:  # only now is it sure that training can begin
            say(self._headline)
            self._headline = ""
        text = (
            f"epoch {now.epoch}/{now.epochs}  loss {now.loss:.4f}  accuracy {100 * now.accuracy:.1f} %  "
            f"{_clock(now.seconds_left)} left"
        )
        if now.test_accuracy is not None:
            say(("\r" if self._live else "") + f"{text}  test {100 * now.test_accuracy:.2f} %   ")
        elif self._live:
            print(f"\r{text}  {now.batch}/{now.batches}   ", end="", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def _at_least_one(option: str, value: int | None, default: int) -> int:
    if value is not None and value < 1:
        raise UsageError(f"{option} is {value}; it must be at least 1")
    return value or default


def _width(text: str) -> float | str:
    if text == "released":
        return text
    try:
        width = float(text)
    except ValueError:
        raise UsageError(f"--width is {text!r}; give a number above 0 or 'released'") from None
    if not 0 < width < float("inf"):
        raise UsageError(f"--width is {text}; give a number above 0 or 'released'")
    return width
