"""The batch and the workers of a request: as given, or as many as the memory has room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.engine.cpu_memory import bytes_an_image, free_bytes, workers_within
from bench.engine.loaded import Loaded
from bench.engine.memory import MOST, SHARE, largest_on_gpu
from bench.engine.shards import BATCH
from bench.engine.where import Where
from bench.inputs.model_info import ModelInfo
from bench.inputs.sources import Images, ModelSource
from bench.studies.shared.ask import Ask
from zoo.notes import note_once

FEW = 4  # images whose gradient step is measured on a CPU
SMALL = 32 * 32  # pixels of an image up to which no model of the zoo takes much memory


def chosen_batch(
    ask: Ask,
    data: Images,
    n: int,
    models: Sequence[tuple[ModelSource, ModelInfo]],
    loaded: Loaded,
) -> int:
    """Images of a shard: as given, else 100 on a CPU or fewer, and on a GPU as many as all the models have room for.

    On a CPU ``loaded`` then has the bytes of a gradient step.

    Args:
        ask: the request.
        data: its images; the first ones are tried.
        n: images measured on; on a GPU no batch is larger than the next power of two.
        models: as ``open_models`` opened them.
        loaded: has the models.
    """
    if ask.device == "cpu":
        return _on_cpu(ask, data, n, models, loaded)
    return ask.batch or _on_gpu(ask, data, n, models, loaded)


def _on_gpu(
    ask: Ask, data: Images, n: int, models: Sequence[tuple[ModelSource, ModelInfo]], loaded: Loaded
) -> int:
    image, most = data.images(0, 1).numpy(), min(MOST, 2 ** (n - 1).bit_length())
    found = [
        loaded.ask(source, info.weights, ask.device, largest_on_gpu, image, ask.device, most)
        for source, info in models
    ]
    batch = min(found, default=BATCH)
    note_once(
        f"--batch is {batch}, the largest power of two up to {most} with which a gradient step takes at most "
        f"{SHARE:.0%} of the free memory of {ask.device}"
    )
    return batch


def _on_cpu(
    ask: Ask, data: Images, n: int, models: Sequence[tuple[ModelSource, ModelInfo]], loaded: Loaded
) -> int:
    few = data.images(0, min(FEW, n)).numpy()
    small = few[0, 0].size <= SMALL
    each = max(
        (
            loaded.ask(source, info.weights, ask.device, bytes_an_image, few)
            for source, info in models
            if not (small and source.kind == "zoo")
        ),
        default=0,
    )
    batch, free = ask.batch or BATCH, free_bytes()
    if ask.batch is None and free is not None and min(batch, n) * each > SHARE * free:
        batch = 2 ** max(0, int(SHARE * free // each).bit_length() - 1)
        note_once(
            f"--batch is {batch}: a gradient step takes about {_gigabytes(each)} an image, and {_gigabytes(free)} are "
            "free"
        )
    loaded.step_bytes = max(loaded.step_bytes, min(batch, n) * each)
    return batch


def within_memory(where: Where, loaded: Loaded) -> Where:
    """Where cells run, with fewer workers on a CPU if all of them together would take more memory than is free."""
    if where.cluster or set(where.devices) != {"cpu"}:
        return where
    fitting = fitting_workers(len(where.devices), loaded)
    return replace(where, devices=where.devices[:fitting])


def fitting_workers(workers: int, loaded: Loaded) -> int:
    """As many of these workers as the memory has room for; prints a line if they are fewer."""
    free = free_bytes()
    fitting = workers_within(workers, loaded.step_bytes, free)
    if fitting < workers:
        note_once(
            f"{fitting} of {workers} workers run: a gradient step takes about {_gigabytes(loaded.step_bytes)}, and "
            f"{_gigabytes(free or 0)} are free"
        )
    return fitting


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.3g} GB"


def with_batch(command: str, ask: Ask, batch: int) -> str:
    """The command as pages show it, with the batch if it was neither given nor the default."""
    return command if batch in (ask.batch, BATCH) else f"{command} --batch {batch}"
