"""Turns the grid of an evaluation into lanes of cells; pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.attacks import RELEASED_REQUESTS, Request, library_version
from bench.engine.cell import Cell, Scalar, sorted_params
from bench.engine.lane import Lane
from bench.engine.protocols import released_rules
from bench.inputs.model_info import ModelInfo
from bench.inputs.own_attacks import OwnAttack
from bench.inputs.own_surrogates import OwnSurrogates
from bench.numbers.eps import grid_text
from bench.studies.robustness.results import Setting
from bench.studies.shared.cells import shard_cells


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackLane(Lane):
    """One model, one attack and one shard: its clean cell, then a cell for each ε in ascending order.

    Attributes:
        request: the attack.
        library: the attack's library with its version.
        eps: the ascending grid; ``(None,)`` for an attack that has no ball.
        cumulative: whether a cell attacks only images that are right after the cell of the smaller ε.
        seed: of the attack.
    """

    request: Request
    library: str
    eps: tuple[float | None, ...]
    cumulative: bool
    seed: int

    def __len__(self) -> int:
        return 1 + len(self.eps)

    @property
    def chained(self) -> bool:
        return self.cumulative

    @property
    def attack(self) -> OwnAttack | OwnSurrogates | None:
        return self.request.source

    def following(self, index: int, parent: str) -> Cell:
        """The cell of the ``index``-th ε."""
        eps = self.eps[index]
        return self.first.derive(
            kind="attack",
            attack=self.request.attack,
            library=self.library,
            params=self.request.params_at(eps),
            norm=self.request.norm or None,
            eps=eps,
            seed=self.seed,
            parent=parent,
        )


def lanes(setting: Setting, models: Sequence[ModelInfo], requests: Sequence[Request]) -> tuple[Lane, ...]:
    """All lanes of an evaluation: model by model, shard by shard, attack by attack.

    Under a released protocol a model has one lane of one cell, and ``requests`` are not looked at.
    """
    if released_rules(setting.protocol) is not None:
        return tuple(Lane(first=released_cell(setting, model)) for model in models)
    versions = {request: library_version(request.library, request.attack) for request in requests}
    cumulative = setting.curve == "cumulative"
    return tuple(
        AttackLane(
            first=clean,
            request=request,
            library=versions[request],
            eps=setting.eps if request.spec.threat == "ball" else (None,),
            cumulative=cumulative and request.spec.iterative and request.spec.threat == "ball",
            seed=setting.seed,
        )
        for model in models
        for clean in clean_cells(setting, model)
        for request in requests
    )


def clean_cells(setting: Setting, model: ModelInfo) -> tuple[Cell, ...]:
    """The clean cells of a model, one a shard; shards are part of the plan, never of the workers."""
    return shard_cells(setting, model, kind="clean", attack="none", library="", params={})


def released_cell(setting: Setting, model: ModelInfo) -> Cell:
    """The only cell of a model under a released protocol.

    Its attacks at one ε continue with the running statistics after the smaller ones, so no part of it can be measured
    or resumed alone.
    """
    params: dict[str, Scalar] = {"eps": grid_text(setting.eps)}
    for request in RELEASED_REQUESTS:
        params |= dict(request.params)
    return Cell(
        kind="released",
        model=model.name,
        weights=model.weights,
        dataset=setting.dataset,
        data=setting.data,
        first=0,
        count=setting.n,
        attack=",".join(request.attack for request in RELEASED_REQUESTS),
        library=f"symbench==released-{setting.protocol.rpartition('/')[2]}",
        params=sorted_params(params),
        norm=setting.norm,
        eps=None,
        seed=setting.seed,
        protocol=setting.protocol,
        backend=setting.backend,
        parent=None,
    )
