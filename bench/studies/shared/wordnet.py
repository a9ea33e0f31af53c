"""Models of ImageNet's 1,000 classes on images of a few of them, which are named by WordNet number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float32

from bench.engine.loaded import Loaded, one_thread
from bench.engine.workers import answer
from bench.inputs.sources import ModelSource, deployed
from bench.inputs.switches import left_alone
from zoo.imagenet import wnids
from zoo.notes import note_once


def compared(
    sources: Sequence[ModelSource],
    classes: Sequence[str],
    first: Float32[np.ndarray, "1 c h w"],
    device: str,
    loaded: Loaded,
) -> list[ModelSource]:
    """The models; of those with 1,000 outputs only the outputs of these classes, if all are of ImageNet's.

    Args:
        sources: the models; the zoo's and those whose outputs are told stay as they are.
        classes: names of the data's classes.
        first: one image.
        device: where the models lie.
        loaded: has a process for each model.
    """
    if not set(classes) < set(wnids()):
        return list(sources)
    places = tuple(map(wnids().index, classes))
    found = []
    for source in sources:
        if (
            source.foreign
            and not source.preparation.classes
            and _width(source, first, device, loaded) == len(wnids())
        ):
            source = replace(source, preparation=replace(source.preparation, classes=places))
            note_once(
                f"{source.name}: {len(places)} of its {len(wnids())} outputs are compared, those of the data's "
                "WordNet numbers; --dataset imagenet:DIR compares all"
            )
        found.append(source)
    return found


def _width(source: ModelSource, first: Float32[np.ndarray, "1 c h w"], device: str, loaded: Loaded) -> int:
    return answer(loaded.workers.of(source).submit(_outputs, source, first, device), source.name)


def _outputs(source: ModelSource, first: Float32[np.ndarray, "1 c h w"], device: str) -> int:
    """The number of outputs for an image; 0 if there are none, which is refused later with a message."""
    with one_thread(), left_alone(), torch.no_grad():
        model = deployed(source.build(), device)
        try:
            logits = model(torch.from_numpy(first).to(device))
        except Exception:  # anything that the model's own code raises
            return 0
    return logits.shape[1] if logits.ndim == 2 else 0
