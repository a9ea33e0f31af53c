"""The equivariance error of every layer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers import P4, Block, Concatenate, Group, ScaleConv, WeightedSum
from zoo.models import Classifier

PLANE, NONE = "plane", "none"

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class LayerError:
    """Equivariance error of a layer: max over moves g ≠ e of ‖Φ(g·x) − g·Φ(x)‖₂ / ‖Φ(x)‖₂, over all images.

    Attributes:
        name: ``layer 1`` is the front; its branches and parts have names of their own.
        action: how g acts on the output. A group's name (``p4``): it turns the plane and permutes the group
            axis. ``plane``: it turns the plane only; for an ordinary layer there is no other action.
            Joined branches: both, each on its own channels. ``none``: the output should stay as it is.
        error: of the network from the image up to and with this layer.
        alone: of the layer by itself, its input moved as the layer before it says.
    """

    name: str
    action: str
    error: float
    alone: float

    @property
    def grouped(self) -> bool:
        """Whether the layer has a group axis, all of it or in part."""
        return self.action not in (PLANE, NONE)

    @property
    def convolution(self) -> bool:
        """Whether it is one convolution with what follows it, rather than a join, a pooling or the head."""
        return self.name.startswith("layer") and not self.name.endswith("joined")


@dataclass(frozen=True, slots=True)
class _Action:
    label: str
    move: Callable[[Tensor, int], Tensor]


@dataclass(frozen=True, slots=True)
class _Stage:
    """``onward`` is false for a branch, whose output the next stage does not read."""

    name: str
    run: Map
    after: _Action
    onward: bool = True


@torch.no_grad()
def layer_errors(model: nn.Module, x: Float[Tensor, "n c s s"], group: Group = P4) -> list[LayerError]:
    """The error of every layer, pooling, the pooled features and the logits, in float64, in order.

    Args:
        model: a zoo model as it is trained, not deployed; of any other module the logits alone are looked at.
        x: square images in [0, 1].
        group: whose elements move the images; ``P4``: the three turns by 90°, 180° and 270°.
    """
    exact = copy.deepcopy(model).double().eval()
    stages = _stages(exact, group) if isinstance(exact, Classifier) else [_Stage("logits", exact, _NONE)]
    before = _plane(group)
    values = [group.transform(x.double(), g) for g in range(group.order)]
    found = []
    for stage in stages:
        out = [stage.run(value) for value in values]
        alone = [out[0], *(stage.run(before.move(values[0], g)) for g in range(1, group.order))]
        found.append(
            LayerError(
                stage.name, stage.after.label, _relative(out, stage.after), _relative(alone, stage.after)
            )
        )
        if stage.onward:
            values, before = out, stage.after
    return found[1:] if isinstance(exact, Classifier) else found  # less the normalisation of single pixels


def _relative(out: Sequence[Tensor], action: _Action) -> float:
    """out[g] is Φ(g·x), out[0] Φ(x)."""
    size = float(out[0].norm())
    worst = max(float((out[g] - action.move(out[0], g)).norm()) for g in range(1, len(out)))
    return worst / size if size else (0.0 if worst == 0 else float("inf"))


def _stages(model: Classifier, group: Group) -> Iterator[_Stage]:
    yield _Stage("normalisation", model.normalize, _plane(group))
    after = _plane(group)
    for stage in _front(model.front, group):
        after = stage.after
        yield stage
    number = 1
    for module in model.trunk:
        if isinstance(module, Block):
            number, after = number + 1, _of_block(module, group)
            yield _Stage(f"layer {number}", module, after)
        else:
            yield _Stage(f"pooling after layer {number}", module, after)
    yield _Stage("features", lambda x: model.head.pool(x.mean((2, 3))), _NONE)
    yield _Stage("logits", model.head.linear, _NONE)


def _front(front: nn.Module, group: Group) -> Iterator[_Stage]:
    """The first layer; a cascade is its parts in a row, and branches come before what joins them."""
    if isinstance(front, nn.Sequential):
        for i, part in enumerate(front, 1):
            yield _Stage(f"layer 1, part {i} ({kind_of(part)})", part, _of_block(part, group))
    elif isinstance(front, Concatenate | WeightedSum):
        branches = list(front.branches)
        for branch in branches:
            yield _Stage(f"layer 1, {kind_of(branch)} branch", branch, _of_block(branch, group), onward=False)
        joined = _side_by_side(branches, group) if isinstance(front, Concatenate) else _plane(group)
        yield _Stage("layer 1, joined", front, joined)
    else:
        yield _Stage("layer 1", front, _of_block(front, group))


def kind_of(block: nn.Module) -> str:
    if isinstance(block, Block) and isinstance(block.conv, ScaleConv):
        return "scale"
    return "rotation" if _group_of(block).order > 1 else "standard"


def _group_of(block: nn.Module) -> Group:
    assert isinstance(block, Block)
    return block.norm.group


def _of_block(block: nn.Module, group: Group) -> _Action:
    """The group's own action where the layer's group has all its elements, else on the plane alone."""
    own = _group_of(block)
    if own.order > 1 and own.rotations == group.rotations and own.order >= group.order:
        return _Action(own.name, own.act)
    return _plane(group)


def _plane(group: Group) -> _Action:
    return _Action(PLANE, group.transform)


def _side_by_side(branches: Sequence[nn.Module], group: Group) -> _Action:
    """Every branch's action on its own channels."""
    actions = [_of_block(branch, group) for branch in branches]
    widths = [_width(branch) for branch in branches]

    def move(maps: Tensor, g: int) -> Tensor:
        parts = maps.split(widths, 1)
        return torch.cat([a.move(part, g) for a, part in zip(actions, parts, strict=True)], 1)

    return _Action(" + ".join(dict.fromkeys(action.label for action in actions)), move)


def _width(block: nn.Module) -> int:
    assert isinstance(block, Block)
    return block.norm.num_features * block.norm.group.order


_NONE = _Action(NONE, lambda values, _: values)
