"""Finite groups acting on square grids by quarter turns and mirror images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Shaped
from torch import Tensor


@dataclass(frozen=True)
class Group:
    """Rotations by multiples of 360°/``rotations``, with mirror images or without.

    Element ``g = flip * rotations + turns`` mirrors the width axis if ``flip`` is 1, then turns by ``turns``
    steps counter-clockwise. Element 0 is the identity.

    Raises:
        ValueError: ``rotations`` is not 1, 2 or 4; only these map a square grid onto itself.
    """

    name: str
    rotations: int
    mirrored: bool = False

    def __post_init__(self) -> None:
        if self.rotations not in (1, 2, 4):
            raise ValueError(
                f"rotations={self.rotations} do not map a square grid onto itself; use 1, 2 or 4"
            )

    @property
    def order(self) -> int:
        """The number of elements."""
        return self.rotations * (2 if self.mirrored else 1)

    def transform(self, x: Shaped[Tensor, "*batch n n"], g: int) -> Shaped[Tensor, "*batch n n"]:
        """``x`` (..., n, n) moved by element ``g``; same shape."""
        flip, turns = divmod(g, self.rotations)
        moved = x.flip(-1) if flip else x
        return torch.rot90(moved, turns * 4 // self.rotations, (-2, -1))

    def compose(self, g: int, h: int) -> int:
        """The element that acts as ``h`` and then ``g``."""
        flip, turns = divmod(g, self.rotations)
        other_flip, other_turns = divmod(h, self.rotations)
        sense = -1 if flip else 1
        return (flip ^ other_flip) * self.rotations + (turns + sense * other_turns) % self.rotations

    @cached_property
    def left(self) -> tuple[tuple[int, ...], ...]:
        """``left[g][h]`` is g⁻¹h: where a map over the group, moved by ``g``, reads its value at ``h``."""
        elements = range(self.order)
        return tuple(
            tuple(next(k for k in elements if self.compose(g, k) == h) for h in elements) for g in elements
        )

    def act(self, maps: Shaped[Tensor, "n channels s s"], g: int) -> Shaped[Tensor, "n channels s s"]:
        """Feature maps (n, fields·order, s, s), group axis fastest, moved by ``g``: (g·f)(h) = g·f(g⁻¹h)."""
        fields = maps.unflatten(1, (-1, self.order))[:, :, list(self.left[g])]
        return self.transform(fields, g).flatten(1, 2)


C1 = Group("c1", 1)
P4 = Group("p4", 4)
P4M = Group("p4m", 4, mirrored=True)
