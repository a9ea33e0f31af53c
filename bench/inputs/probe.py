"""Checks once, on the first batch, that a model can be measured at all."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bench.errors import UsageError
from bench.inputs.faults import out_of_memory
from bench.inputs.foreign import half_of, reason_of
from bench.inputs.outputs import logits_of


def probe(
    name: str,
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    classes: int,
    *,
    finite: bool = True,
    more: bool = False,
) -> int:
    """Checks once that a model can be measured at all.

    Args:
        name: for the message.
        model: deployed model on the device of ``x``.
        x: the first batch (n, c, h, w) in [0, 1].
        classes: number of classes in the data.
        finite: whether logits must be finite.
        more: whether there may be more logits than classes in the data.

    Returns:
        The number of logits for an image.

    Raises:
        UsageError: it raises, gives logits of a wrong shape, or gives NaN.
    """
    try:
        with torch.no_grad():
            logits = logits_of(model(x), len(x))
    except UsageError as fault:
        raise UsageError(f"model {name!r} {fault}") from fault
    except (Exception, SystemExit) as fault:
        if out_of_memory(fault) and len(x) > 1:  # as cells may be measured in parts
            return probe(name, model, x[: len(x) // 2], classes, finite=finite, more=more)
        kind, _, reason = reason_of(fault).partition(": ")
        half = half_of(model)
        remedy = (
            f"; it computes in {str(half).removeprefix('torch.')}, where images are rounded and ε no longer holds: "
            f"round them inside its forward (x.to({half})), or give the model in float32"
            if half
            else ""
        )
        raise UsageError(
            f"model {name!r} raised {kind} on its first batch of shape {tuple(x.shape)}: {reason}{remedy}"
        ) from fault
    least = max(2, classes)
    wide = logits.shape[1] if logits.ndim == 2 else 0
    if len(logits) != len(x) or wide < least or (wide > least and not more):
        remedy = "; say with --classes which output stands for each class of the data" if wide > least else ""
        raise UsageError(
            f"model {name!r} gives logits of shape {tuple(logits.shape)} for {len(x)} images of {classes} "
            f"classes; it must give ({len(x)}, {least}){remedy}"
        )
    if finite and not torch.isfinite(logits).all():
        raise UsageError(f"model {name!r} gives NaN or infinite logits on its first batch of clean images")
    return wide
