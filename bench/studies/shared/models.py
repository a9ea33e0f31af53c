"""The models of a request, each opened and checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.engine.loaded import Loaded
from bench.errors import UsageError
from bench.inputs.images import base_of
from bench.inputs.model_info import ModelInfo
from bench.inputs.naming import named
from bench.inputs.preparation import Preparation, check_preparation, output_numbers
from bench.inputs.sources import Images, ModelSource, find_source
from bench.studies.shared.ask import Ask
from bench.studies.shared.inspection import Look, inspect_all
from bench.studies.shared.wordnet import compared

LOOKED_AT = 100  # images for checking a model before anything is measured


def open_models(
    ask: Ask, data: Images, n: int, loaded: Loaded | None = None
) -> tuple[tuple[tuple[ModelSource, ModelInfo], ...], Loaded]:
    """Loads the requested models and looks at each once, on the first of n images; errors as ``prepare``.

    Models that another evaluation of the same data has put into ``loaded`` are not looked at again.
    """
    base, digest = base_of(data)
    asked = (
        find_source(name, dataset=base, weights=ask.weights, weights_from=ask.weights_from)
        for name in ask.models
    )
    sources = named(list(dict.fromkeys(asked)), ask.names)  # baseline_cnn@0 is baseline_cnn
    _check_weights(ask.weights, sources)
    preparation = replace(ask.preparation, classes=output_numbers(ask.outputs, data.classes))
    sources = _prepared([_asked_of_library(source, ask, data) for source in sources], preparation, data)
    loaded = loaded or Loaded()
    loaded.keep_data(ask.data, data)
    first = data.images(0, min(LOOKED_AT, n)).numpy()
    sources = compared(sources, data.classes, first[:1], ask.device, loaded)
    look = Look(
        first=first,
        source=ask.data,
        classes=len(data.classes),
        data=digest,
        device=ask.device,
        requests=ask.requests,
        suspect=ask.suspect,
    )
    infos = inspect_all(sources, look, loaded)
    return tuple(zip(sources, infos, strict=True)), loaded


def _asked_of_library(source: ModelSource, ask: Ask, data: Images) -> ModelSource:
    """The source; a library's model has an output a class, or the library's own where ``--classes`` chooses."""
    if not source.of_library:
        return source
    return replace(source, classes=0 if ask.outputs else len(data.classes), download=ask.download)


def _prepared(sources: list[ModelSource], preparation: Preparation, data: Images) -> list[ModelSource]:
    if not preparation:
        return sources
    if not any(source.foreign for source in sources):
        raise UsageError(
            "--mean, --std, --scale, --bgr, --input-size, --output and --classes are for one's own models; the zoo's "
            "take images in [0, 1] as they are"
        )
    check_preparation(preparation, data.images(0, 1).shape[1], data.name)
    return [replace(source, preparation=preparation) if source.foreign else source for source in sources]


def _check_weights(weights: str | None, sources: Sequence[ModelSource]) -> None:
    own = [source.name for source in sources if source.kind != "zoo"]
    if weights is not None and len(own) != 1:
        what = f"{len(own)} of one's own models ({', '.join(own)})" if own else "models of the zoo only"
        raise UsageError(
            f"--weights is a file for one's own model, but {what} were requested; measure one own model at a "
            "time, and give the zoo other weights with --weights-from"
        )
