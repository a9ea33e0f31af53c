"""Foolbox's Brendel & Bethge attack: along the boundary to the nearest image, in a region of trust.

What this file works around, all in foolbox 3.3.4: the region grows with the size of the batch, the whole batch fails
where one image has no start, and warnings tell that it compiles and how it copies arrays.
"""

from __future__ import annotations

import warnings
from itertools import islice

import eagerpy as ep
import foolbox
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.attacks.foolbox_decisions import starts
from bench.attacks.foolbox_minimum import found_together, kept, search
from bench.attacks.foolbox_model import goal_of
from bench.attacks.losses import reached
from bench.errors import CellError

TRIED = 100  # starts at most
BETWEEN = 10  # points looked at between start and image, to find the boundary
# first radius of the region, as a share of the number of values; with a tenth of it, as in foolbox, searches get stuck
REGION = 1e-2


def brendel_bethge(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    steps: int,
    target: Int64[Tensor, " n"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """Brendel & Bethge (2019): each step solves for the nearest point of the linearised boundary in a region of trust.

    It starts at a random, white or black image or at another one of the batch, goes back to the boundary and follows
    it. The region halves twenty times on the way. Numba compiles the solver when a process first uses it, which takes
    about half a minute.

    Args:
        model, x, y, target: as for ``ddn``.
        norm: ``linf``, ``l2`` or ``l1``.
        steps: gradient steps.

    Returns:
        As ``ddn``.

    Raises:
        CellError: another norm.
    """
    attacks = {
        "linf": foolbox.attacks.LinfinityBrendelBethgeAttack,
        "l2": foolbox.attacks.L2BrendelBethgeAttack,
        "l1": foolbox.attacks.L1BrendelBethgeAttack,
    }
    if norm not in attacks:
        raise CellError(f"foolbox's Brendel & Bethge attack is not offered in norm {norm}")

    def goal(at: Tensor) -> foolbox.criteria.Criterion:
        return goal_of(y[at], None if target is None else target[at])

    images = _started(model, x, y, target)
    at = found_together(model, images, goal).nonzero().squeeze(1)
    if len(at):
        with warnings.catch_warnings():
            for message in ("At the first initialisation", "The given NumPy array is not writable"):
                warnings.filterwarnings("ignore", message=message, category=UserWarning)
            attack = attacks[norm](steps=steps, lr=REGION / len(at), binary_search_steps=BETWEEN)
            images[at] = search(attack, model, x[at], goal(at), starting_points=ep.astensor(images[at]))
    return kept(model, images, goal_of(y, target), x)


@torch.no_grad()
def _started(model: nn.Module, x: Tensor, y: Tensor, target: Tensor | None) -> Float[Tensor, "n c h w"]:
    """For each image the first start that is what is looked for; the image itself where none is."""
    images, standing = x.clone(), torch.ones(len(x), dtype=torch.bool, device=x.device)
    for start in islice(starts(x), TRIED):
        fresh = standing & reached(model(start), y, target)
        images[fresh] = start[fresh]
        standing &= ~fresh
        if not standing.any():
            break
    return images
