"""The judge: classifies attacked images again and measures their distance; it trusts no library."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor, nn

from bench.engine.balls import distance, project, settled
from bench.engine.cell import Cell
from bench.engine.protocols import JUDGED, Judged
from bench.errors import CellError
from bench.numbers.eps import eps_text


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Verdict:
    """The judge's result for n images; every tensor is (n,).

    Attributes:
        right: classified rightly with finite logits.
        predicted: class of the largest logit; NaN counts as smallest.
        margin: logit of the label minus the largest other one; −∞ where logits are not finite.
        loss: cross-entropy in nats; +∞ where logits are not finite.
        nonfinite: a logit was NaN or infinite.
        distance: size of the perturbation in the cell's norm, float64.
        projected: the image had left its ball or box by more than rounding and was put back.
    """

    right: Bool[Tensor, " n"]
    predicted: Int64[Tensor, " n"]
    margin: Float32[Tensor, " n"]
    loss: Float32[Tensor, " n"]
    nonfinite: Bool[Tensor, " n"]
    distance: Float64[Tensor, " n"]
    projected: Bool[Tensor, " n"]


@torch.no_grad()
def ask_again(model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"]) -> Verdict:
    """Asks the model once more, without gradients.

    Args:
        model: classifier of images in [0, 1], in eval mode.
        x: images (n, c, h, w).
        y: labels (n,), int64.
    """
    logits = model(x).float()
    nonfinite = ~torch.isfinite(logits).all(dim=1)
    ranked = torch.nan_to_num(logits, nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
    predicted = ranked.argmax(dim=1)
    others = ranked.scatter(1, y[:, None], -torch.inf).amax(dim=1)
    margin = ranked.gather(1, y[:, None]).squeeze(1) - others
    loss = nn.functional.cross_entropy(logits, y, reduction="none")
    return Verdict(
        right=(predicted == y) & ~nonfinite,
        predicted=predicted,
        margin=torch.where(nonfinite, -torch.inf, margin),
        loss=torch.where(nonfinite, torch.inf, loss),
        nonfinite=nonfinite,
        distance=torch.zeros(len(x), dtype=torch.float64, device=x.device),
        projected=torch.zeros(len(x), dtype=torch.bool, device=x.device),
    )


def verify(
    cell: Cell,
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    proposed: Float[Tensor, "*proposed"],
) -> tuple[Float[Tensor, "n c h w"], Verdict]:
    """Judges proposed images against the cell's threat set and the model.

    Args:
        cell: states the norm, ε and protocol.
        model: classifier of images in [0, 1], in eval mode.
        x: clean images (n, c, h, w).
        y: labels (n,), int64.
        proposed: the attack's output for ``x``.

    Returns:
        The images that count (proposed ones, projected where they had drifted) and the verdict on them.
        Without an ε there is no ball, and the distance is NaN where an image is still classified rightly,
        and everywhere without a norm.

    Raises:
        CellError: an image is of the wrong shape, not finite, or too far outside the ball or the box.
    """
    rules = JUDGED[cell.protocol.partition("/")[0]]
    proposed = proposed.detach()
    _check_form(x, proposed)
    images = settled(x, _clamped(proposed, rules), str(cell.norm))
    if cell.eps is None:
        return images, _unbounded(cell, model, x, y, images, _outside_box(proposed, rules))
    eps, norm = cell.eps, str(cell.norm)
    found = distance(x, images, norm)
    excess = found - eps
    accepted = rules.accepted(norm, eps)
    worst = float(excess.max())
    if worst > max(rules.projected, accepted):
        raise CellError(
            f"an attacked image lies {worst:.3g} outside its {norm} ball of radius {eps_text(eps)}"
        )
    drifted = (excess > accepted) | _outside_box(proposed, rules)
    if bool(drifted.any()):
        images = torch.where(drifted[:, None, None, None], project(x, images, norm, eps), images)
        found = distance(x, images, norm)
    return images, replace(ask_again(model, images, y), distance=found, projected=drifted)


def _unbounded(
    cell: Cell, model: nn.Module, x: Tensor, y: Tensor, images: Tensor, drifted: Tensor
) -> Verdict:
    verdict = ask_again(model, images, y)
    found = torch.full((len(x),), torch.nan, dtype=torch.float64, device=x.device)
    if cell.norm is not None:
        found = torch.where(verdict.right, found, distance(x, images, cell.norm))
    return replace(verdict, distance=found, projected=drifted)


def _check_form(x: Tensor, proposed: Tensor) -> None:
    if proposed.shape != x.shape:
        raise CellError(f"attacked images have shape {tuple(proposed.shape)} instead of {tuple(x.shape)}")
    broken = int((~torch.isfinite(proposed)).flatten(1).any(dim=1).sum())
    if broken:
        raise CellError(f"{broken} of {len(x)} attacked images hold pixels that are not finite")


def _overstep(images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    return torch.maximum(-images, images - 1).flatten(1).amax(dim=1)


def _outside_box(images: Float[Tensor, "n c h w"], rules: Judged) -> Bool[Tensor, " n"]:
    return _overstep(images) > rules.accepted_linf


def _clamped(images: Float[Tensor, "n c h w"], rules: Judged) -> Float[Tensor, "n c h w"]:
    worst = float(_overstep(images).max())
    if worst > rules.projected:
        raise CellError(f"an attacked image leaves the box [0, 1] by {worst:.3g}")
    return images.clamp(0, 1)
