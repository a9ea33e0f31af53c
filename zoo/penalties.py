"""Terms of losses from gradients, past logits or features."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from zoo.checkpoints import TrainError
from zoo.deployment import deploy

PATCHES = 4  # saliency is measured on 4 × 4 patches of an image
TEMPERATURE = 6.0  # of the answers that LAST compares


def jacobian_norm(
    logits: Float[Tensor, "n k"], x: Float[Tensor, "n c h w"], along: Float[Tensor, "n k"] | None = None
) -> Float[Tensor, ""]:
    """Mean over images of k · |∂(v·z)/∂x|²: for v uniform on the sphere its expectation is |J|²_F.

    Hoffman et al. 2019, equation 9, with one projection. `along` is v, drawn where none is given. Differentiable.
    """
    along = F.normalize(torch.randn_like(logits), dim=1) if along is None else along
    (slope,) = torch.autograd.grad((logits * along).sum(), x, create_graph=True)
    return logits.shape[1] * slope.square().sum() / len(x)


def unsalient(model: nn.Module, x: Float[Tensor, "n c h w"]) -> Bool[Tensor, "n 1 h w"]:
    """Pixels of patches that matter less to the logits than an image's patches do on average.

    The saliency of a patch is ½ |z(x) − z(x′)|², x′ with the patch blurred to its mean (Greydanus et al. 2018,
    equation 2, with patches for Gaussian spots). Measured in eval mode.
    """
    target, (h, w) = deploy(model), x.shape[-2:]
    rows, columns = (torch.arange(size, device=x.device) * PATCHES // size for size in (h, w))
    patch = rows[:, None] * PATCHES + columns
    smooth = F.interpolate(F.adaptive_avg_pool2d(x, PATCHES), size=(h, w))
    with torch.no_grad():
        clean = target(x).to(x.dtype)
        blurred = [target(torch.where(patch == at, smooth, x)).to(x.dtype) for at in range(PATCHES**2)]
        found = torch.stack([(each - clean).square().sum(1) / 2 for each in blurred], dim=1)
    return (found < found.mean(1, keepdim=True))[:, patch][:, None]


def selected_gradient(
    logits: Float[Tensor, "n k"],
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    where: Bool[Tensor, "n 1 h w"],
) -> Float[Tensor, ""]:
    """Mean over images of |∂CE/∂x|² over the chosen pixels (Ross and Doshi-Velez 2018). Differentiable."""
    (slope,) = torch.autograd.grad(F.cross_entropy(logits, y, reduction="sum"), x, create_graph=True)
    return (slope * where).square().sum() / len(x)


def distilled(
    clean: Float[Tensor, "n k"], attacked: Float[Tensor, "n k"], y: Int64[Tensor, " n"], share: float
) -> Float[Tensor, ""]:
    """(1 − μ) · CE(attacked) + μ · KL(p(clean/τ) ‖ p(attacked/τ)): the teacher is the model itself.

    The self-distillation of LAST (Liu et al. 2023), μ the `share`, τ = 6. Gradients flow into both logits.
    """
    told, heard = (F.log_softmax(each / TEMPERATURE, dim=1) for each in (clean, attacked))
    divergence = F.kl_div(heard, told, reduction="batchmean", log_target=True)
    return (1 - share) * F.cross_entropy(attacked, y) + share * divergence


def misaligned(clean: Float[Tensor, "n d"], attacked: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """Mean square of the features' difference, divided by that of the clean features (held constant)."""
    return (attacked - clean).square().mean() / clean.detach().square().mean().clamp_min(1e-12)


@contextlib.contextmanager
def last_features(model: nn.Module) -> Iterator[list[Float[Tensor, "n d"]]]:
    """The inputs of the last linear layer, an entry for each forward pass within.

    Raises:
        TrainError: the model has no linear layer.
    """
    layers = [each for each in model.modules() if isinstance(each, nn.Linear)]
    if not layers:
        raise TrainError(
            f"{type(model).__name__} has no linear layer, and recipe afa aligns what enters the last one: "
            "use another recipe"
        )
    seen: list[Tensor] = []
    hook = layers[-1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        yield seen
    finally:
        hook.remove()
