"""One measurement, and the key that its result is stored under.

A cell names everything that determines a result and nothing else: worker counts, paths and dates are
absent because they must not change the numbers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

Scalar = str | int | float | bool | None
Params = tuple[tuple[str, Scalar], ...]
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def sorted_params(params: Mapping[str, Scalar]) -> Params:
    """The parameters as a sorted tuple of pairs, so that equal parameters give equal keys."""
    return tuple(sorted(params.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One attack (or none) on one shard of one data set with one model at one ε.

    Attributes:
        kind: ``clean``, ``attack``, ``clever``, ``minimum_norm`` or ``released``.
        model: name of the model, as in the leaderboard.
        weights: sha256 of what the model computes with (checkpoint file; for foreign models also its code).
        dataset: name of the data set, as in the leaderboard.
        data: sha256 of the whole evaluation split.
        first: index of the first image of the shard.
        count: images in the shard, which is also the batch.
        attack: name in the attack table, ``none`` for a clean cell.
        library: the library that runs the attack with its version, e.g. ``torchattacks==3.5.1``.
        params: every parameter of the attack, sorted; there are no hidden defaults.
        norm: ``linf``, ``l2``, ``l1`` or ``l0``; ``None`` for a clean cell and a spatial attack.
        eps: radius of the ball in pixel units, images in [0, 1]; ``None`` where there is no ball (clean,
            minimum-norm and spatial) or a whole grid in ``params`` (released).
        seed: the seed that the random starts derive from.
        protocol: name and version of the rules (see ``bench.engine.protocols``).
        backend: kernels that computed the result, and whether the model is folded, as the bits differ.
        parent: key and result digest of the cell whose survivors this one attacks.
    """

    kind: str
    model: str
    weights: str
    dataset: str
    data: str
    first: int
    count: int
    attack: str
    library: str
    params: Params
    norm: str | None
    eps: float | None
    seed: int
    protocol: str
    backend: str
    parent: str | None

    @property
    def key(self) -> str:
        """sha256 of the cell's canonical JSON."""
        return key_of({name: getattr(self, name) for name in self.__slots__})

    def param(self, name: str) -> Scalar:
        """One parameter of the attack by its name; ``KeyError`` where the attack has none of it."""
        return dict(self.params)[name]

    def derive(self, **changes: Any) -> Cell:
        """This cell with some fields changed."""
        return replace(self, **changes)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Cell:
        """A cell from the dictionary that ``asdict`` or JSON gives."""
        params = tuple((str(name), value) for name, value in fields["params"])
        return cls(**{**fields, "params": params})


def key_of(fields: Mapping[str, Any]) -> str:
    """The key of the cell with these fields, as ``asdict`` or JSON gives them."""
    return hashlib.sha256(canonical_json(fields).encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text. Refuses NaN and infinities."""
    return _CANONICAL.encode(value)


def parent_of(key: str, digest: str) -> str:
    """The name of the cell whose survivors another cell attacks: its key and its result's digest."""
    return f"{key}:{digest}"
