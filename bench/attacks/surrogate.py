"""Which weights the attack ``transfer`` borrows: part of what a result was measured with."""

from __future__ import annotations

from bench.errors import UsageError
from zoo import registry
from zoo.entries import UnknownModel


def pinned(surrogate: str) -> str:
    """A model of the zoo with the weights it has now: ``dataset/name#`` and 16 digits of their sha256.

    Args:
        surrogate: ``dataset/name``; one that already says its digits comes back as it is.

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
        raise UsageError(f"surrogate {surrogate!r} cannot be had: {fault}") from fault
    return f"{record.key}#{record.sha256[:16]}"
