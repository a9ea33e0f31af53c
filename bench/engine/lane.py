"""A lane: a first cell, and the cells that follow from it one by one."""

from __future__ import annotations

from dataclasses import dataclass

from bench.engine.cell import Cell
from bench.inputs.own_attacks import OwnAttack
from bench.inputs.own_surrogates import OwnSurrogates


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A cell that waits for no other. Subclasses add the cells that follow it.

    Attributes:
        first: the cell.
    """

    first: Cell

    def __len__(self) -> int:
        """Cells of the lane, the first one included."""
        return 1

    @property
    def chained(self) -> bool:
        """Whether a cell takes the images that the cell before it left standing, instead of the first cell's."""
        return False

    @property
    def attack(self) -> OwnAttack | OwnSurrogates | None:
        """Source of a user's own attack or surrogates, if the cells after the first one need any."""
        return None

    def following(self, index: int, parent: str) -> Cell:
        """The ``index``-th cell after the first one.

        Args:
            index: from 0 to ``len(self) - 2``.
            parent: ``parent_of`` the first cell, or in a chained lane of the cell before.
        """
        raise IndexError(f"a lane of one cell has no cell {index} after it")
