"""The calls of an attack: one a restart, and in it one a target class, or several of these in one batch.

A GPU is slow for small batches, so there the images that still stand are attacked by as many rounds at once as the cell
has room for: the batch is the images once a round. On a CPU the rounds follow one another, and a later round leaves out
what an earlier one broke.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from bench.attacks.outcomes import AttackOutcomes
from bench.attacks.request import BUDGET, LEAST_LIKELY, RANDOM, TARGET
from bench.attacks.table import OWN, AttackSpec
from bench.engine.cell import Cell
from bench.engine.padding import mixes
from bench.engine.seeding import seed_of

Goal = Int64[Tensor, " n"] | None


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One call of the attack.

    Attributes:
        number: of its first round, from 0.
        rounds: in this call.
        left: (m,) places in the shard of the attacked images; the batch is these, once a round.
        target: (rounds·m,) target class of each image of the batch; ``None`` for an attack without any.
    """

    number: int
    rounds: int
    left: Int64[Tensor, " m"]
    target: Tensor | None

    @property
    def rows(self) -> Int64[Tensor, " batch"]:
        """Place in the shard of each image of the batch."""
        return self.left.repeat(self.rounds)


def calls(
    cell: Cell,
    spec: AttackSpec,
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    outcomes: AttackOutcomes,
    goal: Goal,
) -> Iterator[Call]:
    """The calls of a cell, each on the images that then still stand; ends when none stands.

    Args:
        cell: what is measured.
        spec: its attack.
        model: the deployed model.
        x, y: images (n, c, h, w) of the shard and their labels.
        outcomes: of the calls so far; each call's are recorded before the next one is asked for.
        goal: what ``aim`` gives.
    """
    goals, number = _goals(cell, spec, model, x, y, goal), 0
    together = at_once(cell, spec, model, x.device)
    while number < len(goals) and len(left := outcomes.left()):
        rounds = min(max(1, cell.count // len(left)), len(goals) - number) if together else 1
        targets = [goal[left] for goal in goals[number : number + rounds] if goal is not None]
        yield Call(number, rounds, left, torch.cat(targets) if targets else None)
        number += rounds


def at_once(cell: Cell, spec: AttackSpec, model: nn.Module, device: torch.device) -> bool:
    """Whether rounds share a batch: on a GPU, if no image affects another one and no curve over passes is kept."""
    apart = not mixes(model) and BUDGET not in dict(cell.params)
    return device.type == "cuda" and apart and spec.threat == "ball" and spec.library != OWN


def aim(cell: Cell, model: nn.Module, x: Tensor, y: Tensor) -> Goal:
    """The target class of each image (``--target``), the same at every ε; ``None`` if any wrong class counts."""
    target = dict(cell.params).get(TARGET)
    if target is None:
        return None
    if target not in (RANDOM, LEAST_LIKELY):
        return torch.full_like(y, int(target))
    with torch.no_grad():
        logits = model(x)
    if target == LEAST_LIKELY:
        return logits.scatter(1, y[:, None], torch.inf).argmin(dim=1)
    draw = torch.Generator().manual_seed(seed_of(TARGET, cell.seed, cell.first))
    return (y + torch.randint(1, logits.shape[1], y.shape, generator=draw).to(y)) % logits.shape[1]


def _goals(cell: Cell, spec: AttackSpec, model: nn.Module, x: Tensor, y: Tensor, goal: Goal) -> list[Goal]:
    """One entry for each round: every restart, and in it every target class if the attack takes any."""
    restarts = int(dict(cell.params).get("restarts", 1) or 1)
    if not spec.targeted:
        return [goal] * restarts
    with torch.no_grad():
        logits = model(x)
    likeliest = logits.scatter(1, y[:, None], -torch.inf).argsort(dim=1, descending=True, stable=True)
    targets = min(int(cell.param("targets") or 1), logits.shape[1] - 1)
    return [likeliest[:, rank] for _ in range(restarts) for rank in range(targets)]
