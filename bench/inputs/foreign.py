"""Wraps models that are not of the zoo: images go in in the model's precision, logits come out in float32."""

from __future__ import annotations

import warnings

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bench.inputs.faults import out_of_memory
from bench.inputs.folding import Folded, folded, worth_folding
from bench.inputs.outputs import logits_of
from bench.inputs.preparation import Prepared

HALF = (torch.float16, torch.bfloat16)
LOOKED_AT = 8  # images whose gradient is checked before anything runs
NEAR = 8 / 255  # largest distance of the other points from them


class Foreign(nn.Module):
    """A model that gets a copy of the images, so that it cannot change them.

    A model in float64 is given float64: every float32 is one, so it gets exactly the images that ε is verified on. A
    model in float16 or bfloat16 is given float32 and rounds them itself; the rounding is a part of the attacked model.

    Args:
        model: deployed classifier of (n, c, h, w) images in [0, 1].
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.precision = precision_of(model)
        self.symmetry = declared if isinstance(declared := getattr(model, "symmetry", None), str) else None
        self.training = model.training

    def forward(self, x: Float[Tensor, "n c h w"]) -> Tensor:
        """Logits (n, classes) of the images, or another tensor that the model gives; ``UsageError`` otherwise."""
        answer = self.model(x.clone() if x.dtype == self.precision else x.to(self.precision))
        logits = logits_of(answer, len(x))
        return (logits.clone() if logits.is_inference() else logits).float()

    @property
    def sees_float32(self) -> bool:
        """Whether the model gets the images unconverted."""
        return self.precision == torch.float32


def folded_if_equal(model: nn.Module, x: Float[Tensor, "n c h w"]) -> nn.Module:
    """A deployed model; folded if it is not of the zoo and folding gives the same on images like ``x``."""
    if not isinstance(model, Foreign) or not worth_folding(model.model, x):
        return model
    equal = folded(model.model)
    return model if equal is None else Foreign(equal)


def is_folded(model: nn.Module) -> bool:
    """Whether a deployed model is a folded one."""
    inner = model.model if isinstance(model, Foreign) else None
    return isinstance(inner.model if isinstance(inner, Prepared) else inner, Folded)


def precision_of(model: nn.Module) -> torch.dtype:
    """float64 if all floating-point parameters of a model (or, without any, its buffers) are float64; else float32."""
    return torch.float64 if _dtypes(model) == {torch.float64} else torch.float32


def half_of(model: nn.Module) -> torch.dtype | None:
    """float16 or bfloat16 if a model has parameters of that type."""
    return next((dtype for dtype in HALF if dtype in _dtypes(model)), None)


def _dtypes(model: nn.Module) -> set[torch.dtype]:
    found = {value.dtype for value in model.parameters() if value.is_floating_point()}
    return found or {value.dtype for value in model.buffers() if value.is_floating_point()}


def gradient_fault(model: nn.Module, x: Float[Tensor, "n c h w"]) -> str | None:
    """Why attacks cannot use a model's gradients, in a few words; ``None`` if they can.

    A sum of the logits with random weights is differentiated at a few images and at a random point near each: one
    forward and one backward pass. They cannot if that raises, or if every value is exactly 0.

    Args:
        model: deployed classifier on the device of ``x``.
        x: images (n, c, h, w) in [0, 1], of which the first eight are looked at.
    """
    draw = torch.Generator().manual_seed(0)
    clean = x[:LOOKED_AT]
    near = clean + NEAR * (2 * torch.rand(clean.shape, generator=draw).to(clean) - 1)
    points = torch.cat([clean, near.clamp(0, 1)]).requires_grad_()
    try:
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # quantised layers warn that they have no backward pass
            logits = model(points)
            if not logits.requires_grad:
                return _cut(model)
            weights = torch.rand(logits.shape, generator=draw).to(logits)
            (gradient,) = torch.autograd.grad((weights * logits).sum(), points, allow_unused=True)
    except Exception as fault:  # anything that the model's own code raises
        if out_of_memory(fault):  # a single image with a point near it; measuring it will show the fault
            return gradient_fault(model, x[:1]) if len(x) > 1 else None
        return reason_of(fault)
    if gradient is None:
        return _cut(model)
    return None if bool((gradient != 0).any()) else "they are exactly 0"


def _cut(model: nn.Module) -> str:
    """Why the logits of a model have no gradient to the image."""
    if any(type(part).__module__.startswith("torch.ao.nn.quantized") for part in model.modules()):
        return "its layers are quantised to int8, through which torch passes none"
    return "the logits are cut off from the image"


def reason_of(fault: BaseException) -> str:
    """A model's exception in one line; of TorchScript's tracebacks the last line, which has the reason."""
    lines = str(fault).strip().splitlines() or [""]
    line = lines[-1] if "TorchScript" in lines[0] else lines[0]
    return f"{type(fault).__name__}: {line}"[:300]
