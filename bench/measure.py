"""Measures one cell and judges every image itself.

An attack proposes images; whether they lie in the ball and the box, and whether they break the model, is
decided here by looking again. So is everything the libraries leave to chance: seeds, restarts, the
caller's random state.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn

from bench.attacks import ATTACKS, adapter
from bench.cell import Cell
from bench.errors import CellError
from bench.judge import Verdict, look, verify

KEPT_IMAGES = 16
NOT_ATTACKED = -1


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CellResult:
    """What came out of a cell.

    Attributes:
        arrays: per-image arrays by name; the first axis is the shard's (``image_*`` arrays excepted).
        seconds: wall time.
        gradients: gradient evaluations, one per image and step.
    """

    arrays: dict[str, np.ndarray]
    seconds: float
    gradients: int

    @property
    def digest(self) -> str:
        """sha256 of the arrays: equal exactly if the results are equal bit for bit."""
        total = hashlib.sha256()
        for name in sorted(self.arrays):
            array = np.ascontiguousarray(self.arrays[name])
            total.update(f"{name} {array.dtype.str} {array.shape};".encode())
            total.update(array.tobytes())
        return total.hexdigest()


def measure(
    cell: Cell,
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    standing: Bool[np.ndarray, " n"] | None,
) -> CellResult:
    """Runs one cell.

    Args:
        cell: what to measure.
        model: the deployed model, in eval mode with frozen parameters, on the device of ``x``.
        x: the shard's images (n, c, h, w), float32 in [0, 1].
        y: its labels (n,), int64.
        standing: bool (n,), images the parent cell left standing; ``None`` for a clean cell.

    Raises:
        CellError: the attack failed or gave images outside its threat set.
    """
    if len(x) != cell.count:
        raise ValueError(f"cell of {cell.count} images was given {len(x)}")
    start = time.perf_counter()
    if cell.kind == "clean":
        arrays, gradients = _clean(model, x, y)
    else:
        if standing is None:
            raise ValueError("an attack cell needs the survivors of its parent")
        arrays, gradients = _attacked(cell, model, x, y, torch.from_numpy(standing))
    return CellResult(arrays=arrays, seconds=time.perf_counter() - start, gradients=gradients)


def _clean(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"]
) -> tuple[dict[str, np.ndarray], int]:
    verdict = look(model, x, y)
    norms = _gradient_norm(model, x, y)
    arrays = {
        "label": y.cpu().numpy(),
        "standing": verdict.right.cpu().numpy(),
        "predicted": verdict.predicted.cpu().numpy(),
        "margin": verdict.margin.cpu().numpy(),
        "loss": verdict.loss.cpu().numpy(),
        "nonfinite": verdict.nonfinite.cpu().numpy(),
        "grad_norm": norms.cpu().numpy(),
        "image_index": np.arange(min(KEPT_IMAGES, len(x))),
        "image": x[:KEPT_IMAGES].cpu().numpy(),
    }
    return arrays, len(x)


def _gradient_norm(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"]
) -> Float64[Tensor, " n"]:
    images = x.clone().requires_grad_()
    loss = nn.functional.cross_entropy(model(images), y, reduction="sum")
    try:
        (gradient,) = torch.autograd.grad(loss, images)
    except RuntimeError:
        return torch.full((len(x),), float("nan"), dtype=torch.float64)
    return gradient.double().abs().sum(dim=(1, 2, 3))


def _attacked(
    cell: Cell,
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    standing: Bool[Tensor, " n"],
) -> tuple[dict[str, np.ndarray], int]:
    board = _Board(x, y, standing.to(x.device))
    gradients = 0
    for restart in range(int(dict(cell.params).get("restarts", 1) or 1)):
        left = board.left()
        if len(left) == 0:
            break
        proposed = _propose(cell, model, x[left], y[left], restart)
        board.record(left, *verify(cell, model, x[left], y[left], proposed))
        gradients += len(left) * int(dict(cell.params).get("steps", 1) or 1)
    return board.arrays(), gradients


def _propose(
    cell: Cell, model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], restart: int
) -> Tensor:
    eps = float(cell.eps or 0)
    if eps == 0:
        return x.clone()
    call = adapter(cell.attack, cell.library.partition("==")[0])
    taken = ATTACKS[cell.attack, cell.library.partition("==")[0]].params
    params = {name: value for name, value in cell.params if name in taken and name != "restarts"}

    def attacked() -> Tensor:
        with seeded(x.device, cell.seed, cell.first, cell.attack, eps, restart):
            try:
                return call(model, x, y, norm=cell.norm, eps=eps, **params)
            except CellError:
                raise
            except Exception as fault:
                reason = f"{type(fault).__name__}: {fault}".splitlines()[0]
                raise CellError(f"{cell.library} {cell.attack} raised {reason}") from fault

    proposed = attacked()
    return proposed if bool(torch.isfinite(proposed).all()) else _witnessed(attacked, model, x)


def _witnessed(attacked: Callable[[], Tensor], model: nn.Module, x: Tensor) -> Tensor:
    """Attacks again, watching: an image that ended as NaN becomes the first point where its logits were NaN.

    Where a model's logits are not finite, neither are its gradients, and an iterative attack goes on from
    there to pixels that are not. The model is to blame for that: it broke at the last point before.
    """
    points, seen = x.clone(), torch.zeros(len(x), dtype=torch.bool, device=x.device)

    def watch(_: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> None:
        at = inputs[0].detach()
        if at.shape == x.shape:
            fresh = ~_finite(logits.detach()) & _finite(at) & ~seen
            points[fresh] = at[fresh]
            seen.logical_or_(fresh)

    hook = model.register_forward_hook(watch)
    try:
        proposed = attacked()
    finally:
        hook.remove()
    lost = seen & ~_finite(proposed)
    return torch.where(lost[:, None, None, None], points, proposed)


def _finite(values: Float[Tensor, "n ..."]) -> Bool[Tensor, " n"]:
    return torch.isfinite(values).flatten(1).all(dim=1)


class _Board:
    """Keeps, for every image of a shard, the attacked version that counts."""

    def __init__(
        self, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], standing: Bool[Tensor, " n"]
    ) -> None:
        n = len(x)
        self.first_images = x[:KEPT_IMAGES].clone()
        self.standing = standing.clone()
        self.attacked = standing.clone()
        self.columns = {
            "distance": torch.full((n,), float("nan"), dtype=torch.float64),
            "predicted": torch.full((n,), NOT_ATTACKED, dtype=torch.int64),
            "margin": torch.full((n,), float("nan"), dtype=torch.float32),
            "loss": torch.full((n,), float("nan"), dtype=torch.float32),
            "nonfinite": torch.zeros(n, dtype=torch.bool),
            "projected": torch.zeros(n, dtype=torch.bool),
        }

    def left(self) -> Int64[Tensor, " left"]:
        """Indices of the images still standing."""
        return self.standing.nonzero().squeeze(1)

    def record(self, at: Int64[Tensor, " n"], images: Float[Tensor, "n c h w"], verdict: Verdict) -> None:
        """Notes one restart's images: an image that broke, or one that still stands in its last attempt."""
        self.standing[at] = verdict.right
        where = at.cpu()
        for name, column in self.columns.items():
            column[where] = getattr(verdict, name).to(column.dtype).cpu()
        kept = at < len(self.first_images)
        self.first_images[at[kept]] = images[kept]

    def arrays(self) -> dict[str, np.ndarray]:
        index = self.attacked[: len(self.first_images)].nonzero().squeeze(1)
        return {
            "standing": self.standing.cpu().numpy(),
            "attacked": self.attacked.cpu().numpy(),
            **{name: column.numpy() for name, column in self.columns.items()},
            "image_index": index.cpu().numpy(),
            "image": self.first_images[index].cpu().numpy(),
        }


def seed_of(*parts: object) -> int:
    """A 63-bit seed from a hash of its parts: the same on every machine and in every process."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@contextlib.contextmanager
def seeded(device: torch.device, *parts: object) -> Iterator[None]:
    """Seeds torch's and numpy's global random states from a hash, and puts the caller's back afterwards."""
    devices = [device] if device.type == "cuda" else []
    numpy_state = np.random.get_state()
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed_of(*parts))
        np.random.seed(seed_of(*parts) % 2**32)
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
