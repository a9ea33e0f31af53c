"""The cost of the zoo's networks: the columns of ``bench list models --cost``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from zoo import entries, registry

_Shape = tuple[int, int, int, float | str]  # channels, size, classes, width
_UNTRAINED: _Shape = (3, 32, 10, 1.0)


def cost_rows(names: Iterable[str]) -> Iterator[dict[str, Any]]:
    """A row for each design and kind of image that the models were trained on; 3×32×32 without any.

    A recipe or a seed does not change the cost. Names that are not of the zoo are skipped.
    """
    known = [*registry.records(registry.LOCAL).values(), *registry.shipped().values()]
    shapes: dict[str, dict[_Shape, None]] = {}
    for name in names:
        try:
            entry = entries.entry(name)
        except entries.UnknownModel:
            continue
        design = entries.made(entry.architecture, entry.depth, "standard").name
        found = [(r.channels, r.size, r.classes, r.width) for r in known if r.name == name]
        shapes.setdefault(design, {}).update(dict.fromkeys(found))
    for design, each in shapes.items():
        for channels, size, classes, width in each or (_UNTRAINED,):
            images = f"{channels}×{size}×{size}, {classes} classes"
            found = _cost(design, channels, size, classes, width)
            yield {"model": design, "images": images, **found}


def _cost(design: str, channels: int, size: int, classes: int, width: float | str) -> dict[str, int]:
    """The columns of a network; they do not depend on weights."""
    import torch

    import zoo
    from bench.engine.loaded import one_thread
    from bench.engine.seeding import seeded
    from bench.inputs.model_cost import model_cost

    with one_thread(), seeded(torch.device("cpu"), "cost"):
        model = zoo.build(design, channels=channels, classes=classes, size=size, width=width)
        found = model_cost(zoo.deploy(model), torch.rand(1, channels, size, size))
    columns: dict[str, int] = {"parameters": sum(each.numel() for each in model.parameters())}
    for name, each in (("forward", found.forward), ("backward", found.backward)):
        columns |= {
            f"{name}: multiply-adds": each.multiply_adds,
            f"{name}: kB": round(each.memory / 1000),
            f"{name}: µs": round(1e6 * each.seconds),
        }
    return columns
