"""``bench train``: trains a model of the zoo and writes its weights where ``bench run`` finds them."""

from __future__ import annotations

import os
import shlex
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from bench.commands.options import data_source, told_data
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
    if options.seed not in (None, entry.seed) and "@" in options.model:
        raise UsageError(
            f"{options.model!r} says seed {entry.seed}, --seed {options.seed}; leave one of them out"
        )
    seeds = _seeds(options)
    source = data_source(options)
    data = source.load(split="train", download=options.download)
    test = source.load(split="test", download=options.download)
    recipe = _recipe(options, entry, data.levels)
    threads = _at_least_one("--threads", options.threads, os.cpu_count() or 1)
    width = _width(options.width)
    apart = f" ({100 * recipe.held_out:g} % held out)" if recipe.held_out else ""
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
                f"training {entry.name} on {data.name}: {len(data)} images{apart}, "
                f"recipe {recipe.name}, seed {seed}",
                recipe,
            ),
        )
        _tell(trained, options)
    return 0


def _recipe(options: Namespace, entry: entries.Entry, levels: int) -> recipes.Recipe:
    """The recipe asked for by option or name, with the options that change its numbers."""
    recipe = recipes.recipe(options.recipe or entry.recipe, levels)
    recipe = replace(recipe, epochs=_at_least_one("--epochs", options.epochs, recipe.epochs))
    share = recipe.held_out if options.held_out is None else options.held_out
    if not 0 <= share < 1:
        raise UsageError(f"--held-out is {share:g}; give a share from 0 to below 1, e.g. 0.1")
    if entry.best and not share:
        raise UsageError(f"{entry.name} is the best epoch on held-out images; add --held-out 0.1")
    return replace(recipe, held_out=share, precision=options.precision or recipe.precision)


def _tell(trained: train.Trained, options: Namespace) -> None:
    for each in (trained, trained.best):
        if each is None:
            continue
        record = each.record
        epoch = ""
        if record.held_out_acc is not None:
            epoch = f"epoch {record.epoch}, held out {100 * record.held_out_acc:.2f} %, "
        say(
            f"{record.path}: {epoch}clean accuracy {100 * (record.clean_acc or 0):.2f} % on {record.clean_n} test "
            f"images; half precision changed {each.changed} of {each.compared} predictions"
        )
    name = trained.record.name
    out = shlex.quote(options.out)
    say(f"measure it: bench run --model {name} {told_data(options)} --weights-from {out}")


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
    """The record of a replica that is trained just so, if its weights, the best epoch's too, are whole."""
    made = {"recipe": recipe.row, "data_sha256": data.sha256, "width": width, "seed": seed}
    known = registry.records(out)
    wanted = [
        entries.made(entry.architecture, entry.depth, recipe.name, seed, best=best).name
        for best in ((False, True) if recipe.held_out else (False,))
    ]
    found = [known.get(f"{data.name}/{name}") for name in wanted]
    for record in found:
        if record is None or any(getattr(record, name) != value for name, value in made.items()):
            return None
        try:
            registry.load_record(record)
        except registry.WeightsError:  # lost or damaged: it is trained again
            return None
    return found[0]


class _Lines:
    """Prints a headline, a line where a stage begins, one an epoch, and on a terminal the running epoch too."""

    def __init__(self, headline: str, recipe: recipes.Recipe) -> None:
        self._headline = headline
        self._recipe = recipe
        self._stage = 0 if recipe.stages else 1
        self._live = sys.stderr.isatty()

    def __call__(self, now: train.Progress) -> None:
        if self._headline:  # only now is it sure that training can begin
            say(self._headline)
            self._headline = ""
        if now.stage != self._stage:
            self._stage = now.stage
            stages = len(self._recipe.stages)
            say(f"stage {now.stage} of {stages}: rotation ±{now.rotation:g}°, ε {now.eps:.4g}")
        text = (
            f"epoch {now.epoch}/{now.epochs}  loss {now.loss:.4f}  accuracy {100 * now.accuracy:.1f} %  "
            f"{_clock(now.seconds_left)} left"
        )
        if now.test_accuracy is not None:
            robust = "" if now.held_out is None else f"  held out {100 * now.held_out:.2f} %"
            say(("\r" if self._live else "") + f"{text}{robust}  test {100 * now.test_accuracy:.2f} %   ")
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
