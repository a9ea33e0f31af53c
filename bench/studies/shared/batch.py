"""The batch of a request: as given, or what a GPU's memory has room for."""

from __future__ import annotations

from collections.abc import Iterable

from bench.engine.loaded import Loaded
from bench.engine.memory import MOST, SHARE, largest_on_gpu
from bench.engine.shards import BATCH
from bench.inputs.model_info import ModelInfo
from bench.inputs.sources import Images, ModelSource
from bench.studies.shared.ask import Ask
from zoo.notes import note_once


def chosen_batch(
    ask: Ask, data: Images, n: int, models: Iterable[tuple[ModelSource, ModelInfo]], loaded: Loaded
) -> int:
    """Images of a shard: as given, else 100 on a CPU, and on a GPU as many as all the models have room for.

    Args:
        ask: the request.
        data: its images; the first one is tried, repeated.
        n: images measured on; no batch is larger than the next power of two.
        models: as ``open_models`` opened them.
        loaded: what holds them.
    """
    if ask.batch is not None:
        return ask.batch
    if ask.device.partition(":")[0] != "cuda":
        return BATCH
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


def with_batch(command: str, ask: Ask, batch: int) -> str:
    """The command as pages show it, with the batch where it was neither given nor the one that goes without saying."""
    return command if batch in (ask.batch, BATCH) else f"{command} --batch {batch}"
