"""The surrogate models of an attack; a result depends on them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bench.errors import UsageError
from bench.inputs.own_surrogates import OwnSurrogates, is_foreign
from zoo import registry
from zoo.entries import UnknownModel

if TYPE_CHECKING:
    from bench.inputs.sources import ModelSource

SURROGATE = "surrogate"
AND = "+"  # between the names of an ensemble, in requests and rows
DIGITS = 16  # of a digest, after a # in a name


def borrowed(surrogates: str) -> tuple[str, OwnSurrogates | None]:
    """The names of one or several models in requests, and the sources of those that are not of the zoo.

    Args:
        surrogates: names with commas between: ``dataset/name`` of the zoo, ``FILE.py:FACTORY``, ``LIBRARY:NAME`` or an
            installed model. Names that already have their digits stay unchanged; an empty text is no model.

    Raises:
        UsageError: one of them does not exist or cannot be loaded.
    """
    targets = [target for target in re.split(rf"[,{AND}]", surrogates) if target]
    own = {target: _own(target) for target in targets if "#" not in target and is_foreign(target)}
    names = [own[target][0] if target in own else pinned(target) for target in targets]
    return AND.join(names), OwnSurrogates(tuple(own.values())) if own else None


def pinned(surrogate: str) -> str:
    """A model of the zoo with the weights it has now: ``dataset/name#`` and 16 digits of their sha256.

    Args:
        surrogate: ``dataset/name``; one that already has its digits is returned unchanged.

    Raises:
        UsageError: there is no such model, or it has no weights for that data set.
    """
    if "#" in surrogate:
        return surrogate
    dataset, _, name = surrogate.rpartition("/")
    if not dataset:
        raise UsageError(
            f"surrogate {surrogate!r} is no DATASET/NAME of the zoo, such as digits/baseline_cnn"
        )
    try:
        record = registry.find(name, dataset)
    except (registry.WeightsError, UnknownModel) as fault:
        raise UsageError(f"surrogate {surrogate!r} cannot be loaded: {fault}") from fault
    return f"{record.key}#{record.sha256[:DIGITS]}"


def _own(target: str) -> tuple[str, ModelSource]:
    """Its code runs in a process of its own."""
    from bench.engine.workers import WorkerGroup, answer
    from bench.inputs.sources import find_source

    source = find_source(target, dataset="", weights=None, weights_from=None)
    group = WorkerGroup(1)
    try:
        digest = answer(group.submit(digest_of, source), source.name)
    except UsageError as fault:
        raise UsageError(f"surrogate {source.name!r} cannot be loaded: {fault}") from fault
    finally:
        group.close()
    return f"{source.name}#{digest[:DIGITS]}", source


def digest_of(source: ModelSource) -> str:
    """The digest of a model; builds it."""
    return source.digest(source.build())
