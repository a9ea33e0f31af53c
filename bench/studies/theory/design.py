"""The design of a network of the zoo, read from its modules, and the weights that fuse its branches."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from bench.studies.theory.layers import kind_of
from zoo.layers import Block, Concatenate, Normalize, WeightedSum
from zoo.models import Classifier
from zoo.models.classifier import Head, Trunk

_LABELS = {Normalize: "normalisation", nn.MaxPool2d: "max pooling"}
_JOINS = {Concatenate: "concatenated", WeightedSum: "weighted sum"}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a network.

    Attributes:
        label: its function.
        shape: of its output for one image.
        kind: ``standard``, ``rotation`` or ``scale`` for parts with convolutions, ``join``, or empty.
        branches: parallel rows of parts that read the same input; empty but for ``join``.
    """

    label: str
    shape: tuple[int, ...]
    kind: str = ""
    branches: tuple[tuple[Part, ...], ...] = ()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Design:
    """A network of the zoo.

    Attributes:
        parts: from the image to the logits.
        fusion: (branches,) weights of a weighted sum, which add up to 1; empty without one.
    """

    parts: tuple[Part, ...]
    fusion: Float64[np.ndarray, " branches"]

    @property
    def branches(self) -> tuple[str, ...]:
        """Kinds of the branches, in their order."""
        return tuple(row[0].kind for part in self.parts for row in part.branches)


@torch.no_grad()
def design_of(model: nn.Module, image: Float[Tensor, "1 c h w"]) -> Design | None:
    """The design of a network as it is trained, not deployed; ``None`` for a module that is not of the zoo."""
    if not isinstance(model, Classifier):
        return None
    shapes: dict[nn.Module, tuple[int, ...]] = {}
    hooks = [each.register_forward_hook(partial(_keep_shape, shapes)) for each in model.modules()]
    try:
        model(image)
    finally:
        for hook in hooks:
            hook.remove()
    parts = [Part("image", tuple(image.shape[1:]))]
    for module in (model.normalize, model.front, model.trunk, model.head):
        parts += _parts(module, shapes)
    fused = [each.logits.softmax(0) for each in model.modules() if isinstance(each, WeightedSum)]
    fusion = torch.cat(fused).double().cpu().numpy() if fused else np.zeros(0)
    return Design(parts=tuple(parts), fusion=fusion)


def as_arrays(design: Design) -> dict[str, np.ndarray]:
    """A design as arrays; the parts are JSON text in UTF-8."""
    parts = json.dumps([asdict(part) for part in design.parts]).encode()
    return {"parts": np.frombuffer(parts, dtype=np.uint8), "fusion": design.fusion}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Design:
    """The design that ``as_arrays`` made arrays of."""
    return Design(parts=_from_plain(json.loads(arrays["parts"].tobytes())), fusion=arrays["fusion"])


def _from_plain(parts: Sequence[dict[str, Any]]) -> tuple[Part, ...]:
    return tuple(
        Part(
            label=each["label"],
            shape=tuple(each["shape"]),
            kind=each["kind"],
            branches=tuple(_from_plain(row) for row in each["branches"]),
        )
        for each in parts
    )


def _keep_shape(shapes: dict[nn.Module, tuple[int, ...]], module: nn.Module, _: Any, out: Tensor) -> None:
    shapes[module] = tuple(out.shape[1:])


def _parts(module: nn.Module, shapes: dict[nn.Module, tuple[int, ...]]) -> tuple[Part, ...]:
    """A module as parts in a row."""
    if isinstance(module, Concatenate | WeightedSum):
        branches = tuple(_parts(branch, shapes) for branch in module.branches)
        return (Part(_JOINS[type(module)], shapes[module], "join", branches),)
    if isinstance(module, nn.Sequential) and not isinstance(module, Trunk):
        return tuple(part for child in module.children() for part in _parts(child, shapes))
    kinds = {kind_of(each) for each in module.modules() if isinstance(each, Block)}
    return (Part(_label(module), shapes[module], kinds.pop() if len(kinds) == 1 else ""),)


def _label(module: nn.Module) -> str:
    if isinstance(module, Trunk):
        counted = Counter(_label(child) for child in module.children())
        return ", ".join(f"{count} × {label}".replace(" ", "\u00a0") for label, count in counted.items())
    if isinstance(module, Block):
        return f"{kind_of(module)} 3×3"
    if isinstance(module, Head):
        pooled = "mean, max over turns" if module.pool.group.order > 1 else "mean"
        return f"{pooled}, linear"
    return _LABELS.get(type(module), type(module).__name__)
