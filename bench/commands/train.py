"""``bench train``: trains a model of the zoo and writes its weights where ``bench run`` finds them."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path

from bench.commands.options import data_source
from bench.commands.screen import say
from bench.errors import UsageError
from bench.evaluation import check_device
from zoo import entries, recipes, train


def execute(options: Namespace) -> int:
    """Trains until the recipe's last epoch, going on from a checkpoint if there is one."""
    check_device(options.device)
    entry = entries.entry(options.model)
    source = data_source(options)
    data = source.load(split="train", download=options.download)
    test = source.load(split="test", download=options.download)
    recipe = recipes.recipe(options.recipe or entry.recipe, data.levels)
    trained = train.train(
        entry.name,
        data,
        test=test,
        recipe=recipe,
        seed=entry.seed if options.seed is None else options.seed,
        threads=_at_least_one("--threads", options.threads, os.cpu_count() or 1),
        device=options.device,
        out=Path(options.out),
        epochs=_at_least_one("--epochs", options.epochs, recipe.epochs),
        width=_width(options.width),
        progress=_Lines(f"training {entry.name} on {data.name}: {len(data)} images, recipe {recipe.name}"),
    )
    record = trained.record
    say(
        f"{record.path}: clean accuracy {100 * (record.clean_acc or 0):.2f} % on {record.clean_n} test images; "
        f"half precision changed {trained.changed} of {trained.compared} predictions"
    )
    say(
        f"measure it: bench run --model {record.name} --dataset {options.dataset} --weights-from {options.out}"
    )
    return 0


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
