"""Checks a model before anything is measured: describes it for rows, and refuses it if it cannot be measured."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from bench.attacks import Request
from bench.attacks.gradient_free import check_gradients
from bench.engine.loaded import Loaded, one_thread, worker
from bench.engine.workers import answer
from bench.errors import UsageError
from bench.inputs.first_look import Suspicion, first_look, looked_at
from bench.inputs.foreign import folded_if_equal, is_folded, reason_of
from bench.inputs.model_info import ModelInfo
from bench.inputs.probe import probe
from bench.inputs.sources import DataSource, Images, ModelSource, deployed, describe
from bench.inputs.switches import left_alone
from zoo.notes import note_once, noted

LONG = 3.0  # seconds after which the time is announced


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Look:
    """The images and settings for checking a model.

    Attributes:
        first: the first images (n, c, h, w), float32 in [0, 1].
        source: where the images come from.
        classes: number of classes in the data.
        data: digest of the images measured on, if they are at hand.
        device: where the model will lie.
        requests: the requested attacks.
        suspect: whether logits may be NaN and gradients may be missing, as in an audit.
    """

    first: Float32[np.ndarray, "n c h w"]
    source: DataSource
    classes: int
    data: str | None
    device: str
    requests: tuple[Request, ...]
    suspect: bool


def inspect_all(sources: Sequence[ModelSource], look: Look, loaded: Loaded) -> list[ModelInfo]:
    """Checks every model once; one that is not of the zoo is loaded in a separate process, and stays there.

    Raises:
        UsageError: one cannot be built or measured, or its process ended.
    """
    known = {source: describe(source, look.data) for source in sources if not source.foreign}
    foreign = [source for source in sources if source.foreign]
    started = {source: loaded.workers.of(source).submit(_inspect_apart, source, look) for source in foreign}
    found = []
    for source in sources:
        if source in started:
            info, notes = answer(started[source], source.name)
            for note in notes:
                note_once(note)
        else:
            info = known[source]
            folded = loaded.kept(info.weights, look.device)  # by another evaluation of the same images
            info = _inspect(source, info, look, loaded) if folded is None else replace(info, folded=folded)
        found.append(info)
    return found


def _inspect(source: ModelSource, info: ModelInfo, look: Look, loaded: Loaded) -> ModelInfo:
    """Checks a model in this process and keeps it, folded if it has a folded equal."""
    with one_thread(), left_alone():
        model = _looked_at(source, info, look)
        loaded.keep_model(info.weights, look.device, model)
        return replace(info, folded=is_folded(model))


def _looked_at(source: ModelSource, info: ModelInfo, look: Look) -> nn.Module:
    built = source.build()
    if source.digest(built) != info.weights:
        raise UsageError(
            f"the factory of {info.name!r} gives other weights each time it is called; give --weights FILE"
        )
    model, first = deployed(built, look.device), torch.from_numpy(look.first).to(look.device)
    probe(info.name, model, first, look.classes, finite=not look.suspect)
    if source.foreign and not look.suspect:
        check_gradients(info.name, model, first, look.requests)
    return folded_if_equal(model, first)


def _inspect_apart(source: ModelSource, look: Look) -> tuple[ModelInfo, tuple[str, ...]]:
    info = _inspect(source, describe(source, look.data), look, worker())
    found = suspicions(
        info.name,
        lambda: worker().of_model(
            source,
            info.weights,
            look.device,
            _announced_look,
            (worker().data(look.source), look.device, info.name),
            raw=False,
        ),
    )
    for each in found:
        note_once(f"{info.name}: {each.sentence}")
    return replace(info, suspect=kinds(found)), noted()


def _announced_look(model: nn.Module, data: Images, device: str, name: str) -> tuple[Suspicion, ...]:
    """``first_look``; if it takes long, a line on stderr first says how long."""
    start = time.perf_counter()
    with torch.no_grad():
        model(data.images(0, 1).to(device))
    images, _ = looked_at(data)
    seconds = images * (time.perf_counter() - start)
    if seconds > LONG:
        text = (
            f"{name}: checking {images} clean images for common mistakes, about {seconds:.0f} s, longer "
            "if many are wrong"
        )
        print(text, file=sys.stderr, flush=True)
    return first_look(model, data, device)


def suspicions(name: str, look: Callable[[], tuple[Suspicion, ...]]) -> tuple[Suspicion, ...]:
    """The findings of a first look; a model that fails in it, at other numbers of images, is still measured."""
    try:
        return look()
    except Exception as fault:
        note_once(f"{name}: not checked for common mistakes ({reason_of(fault)})")
        return ()


def kinds(found: Sequence[Suspicion]) -> str:
    """The kinds of suspicions, as text for rows."""
    return ";".join(each.kind for each in found)
