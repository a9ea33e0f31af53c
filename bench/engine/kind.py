"""A kind of cell: the function that measures it, and the model it needs."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from bench.engine.cell import Cell
from bench.engine.result import CellResult
from bench.engine.studies import TABLE, find_study, plugin_names
from bench.errors import CellError
from bench.inputs.own_attacks import OwnAttack
from bench.inputs.own_surrogates import OwnSurrogates
from bench.inputs.sources import Images


def no_split(name: str) -> Images:
    """For subjects whose images have no source."""
    raise CellError(f"these images have no {name} split")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Subject:
    """The inputs of a measurement.

    Attributes:
        model: the model, in eval mode with frozen parameters, on the device of ``x``; deployed if its kind says so.
        raw: makes the model as its author built it, on the same device.
        x: the images (n, c, h, w) in [0, 1].
        y: their labels (n,), int64.
        standing: bool (n,), images the cell before left standing; ``None`` for a first cell.
        split: loads another split of the same images, as ``train``; ``DataError`` where there is none.
        attack: source of a user's own attack or surrogates; ``None`` for any other cell.
    """

    model: nn.Module
    raw: Callable[[], nn.Module]
    x: Float[Tensor, "n c h w"]
    y: Int64[Tensor, " n"]
    standing: Bool[np.ndarray, " n"] | None
    split: Callable[[str], Images] = no_split
    attack: OwnAttack | OwnSurrogates | None = None


def never(_: Cell) -> bool:
    """For kinds whose cells share no gradient."""
    return False


def one_each(cell: Cell) -> float:
    """For kinds whose cells need one gradient of each image."""
    return cell.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of cell.

    Attributes:
        measure: measures a cell.
        deployed: whether the model may be the deployed one; not where batch norm must still be there.
        same_gradient: whether a cell needs the gradient at the clean images only, which other cells of the
            same images need too.
        divisible: whether a cell may be measured in parts: each of its arrays is image by image.
        gradients: image gradients that a cell needs at most; a forward pass is a third of one.
    """

    measure: Callable[[Cell, Subject], CellResult]
    deployed: bool = True
    same_gradient: Callable[[Cell], bool] = never
    divisible: bool = False
    gradients: Callable[[Cell], float] = one_each


def kind_of(cell: Cell) -> Kind:
    """The kind of a cell, as the table of studies names it, or as a plug-in has it.

    Raises:
        CellError: no study has this kind.
    """
    place = importlib.import_module(TABLE).KINDS.get(cell.kind)
    if place is not None:
        module, _, name = place.partition(":")
        return getattr(importlib.import_module(module), name)
    for study in map(find_study, plugin_names()):
        if cell.kind in study.kinds:
            return study.kinds[cell.kind]
    raise CellError(f"no study has cells of the kind {cell.kind!r}; install the package that measures them")
