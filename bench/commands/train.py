"""``bench train``: trains models of the zoo and of the user; writes their weights where ``bench run`` finds them."""

from __future__ import annotations

import os
import shlex
from argparse import Namespace
from pathlib import Path

import torch

from bench.commands import trainings
from bench.commands.places import check_directory
from bench.commands.training_lines import Lines
from bench.commands.trainings import Training, at_least_one
from bench.errors import UsageError, in_words
from bench.studies.shared.options import data_for_terminal, data_source
from bench.studies.shared.screen import say
from bench.studies.shared.where import check_device
from zoo import train
from zoo.data import Dataset
from zoo.errors import UserError

LOOKED_AT = 8  # images on which a user's own model is tried before training


def execute(options: Namespace) -> int:
    """Trains every requested model to its recipe's last epoch, from a checkpoint if there is one.

    Models that are trained already are skipped. One that fails is named; the others are still trained.

    Returns:
        0, or 1 if a model failed.
    """
    check_device(options.device)
    replicas, width = trainings.replicas(options), _width(options.width)
    threads = at_least_one("--threads", options.threads, os.cpu_count() or 1)
    check_directory(Path(options.out), "--out")
    source = data_source(options)
    data = source.load(split="train", download=options.download)
    test = source.load(split="test", download=options.download)
    wanted = trainings.asked(replicas, options, data.levels)
    for own in dict.fromkeys(training.own for training in wanted if training.own):
        own.check(data.images(0, min(LOOKED_AT, len(data))), len(data.classes))
    done: list[str] = []
    for number, training in enumerate(wanted, 1):
        name, place = training.names[0], f"{number} of {len(wanted)}: " if len(wanted) > 1 else ""
        try:
            _train(training, data, test, options, threads, width, place)
            done.append(training.own.shown(name) if training.own else name)
        except (UserError, OSError, torch.cuda.OutOfMemoryError) as fault:
            say(f"{place}{name} failed: {in_words(fault)}")
    if done:
        which, out = "it" if len(done) == 1 else "them", shlex.quote(options.out)
        say(
            f"measure {which}: bench run --model {','.join(done)} {data_for_terminal(options)} --weights-from {out}"
        )
    return 0 if len(done) == len(wanted) else 1


def _train(
    training: Training,
    data: Dataset,
    test: Dataset,
    options: Namespace,
    threads: int,
    width: float | str,
    place: str,
) -> None:
    """Trains one model, or prints that it is trained."""
    out, recipe = Path(options.out), training.recipe
    done = trainings.finished(out, training, data, width)
    if done is not None:
        say(f"{place}{done.path}: already trained by this recipe; remove it to train again")
        return
    apart = f" ({100 * recipe.held_out:g} % held out)" if recipe.held_out else ""
    name = training.names[0] if training.own else training.entry.name
    headline = (
        f"{place}training {name} on {data.name}: {len(data)} images{apart}, "
        f"recipe {recipe.name}, seed {training.seed}"
    )
    trained = train.train(
        training.own.name if training.own else training.entry.name,
        data,
        test=test,
        recipe=recipe,
        seed=training.seed,
        threads=threads,
        device=options.device,
        out=out,
        width=width,
        progress=Lines(headline, recipe),
        build=training.own.build if training.own else None,
    )
    for each in (trained, trained.best):
        if each is not None:
            _tell(each)


def _tell(trained: train.Trained) -> None:
    record = trained.record
    epoch = ""
    if record.held_out_acc is not None:
        epoch = f"epoch {record.epoch}, held out {100 * record.held_out_acc:.2f} %, "
    say(
        f"{record.path}: {epoch}clean accuracy {100 * (record.clean_acc or 0):.2f} % on {record.clean_n} test "
        f"images; half precision changed {trained.changed} of {trained.compared} predictions"
        + (", so the weights are in single precision" if trained.single else "")
    )


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
