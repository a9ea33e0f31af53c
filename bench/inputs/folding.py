"""Makes a faster equal of a model that is not of the zoo: batch norm folded into convolutions, channels last.

It is used only if it gives the same logits and the same gradients. A model that cannot be traced, is random or in
training mode, has hooks or is not in float32 stays as it is.
"""

from __future__ import annotations

import copy
import functools
from collections import Counter
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bench.inputs.cropping import cropped
from bench.inputs.outputs import logits_alone
from bench.inputs.preparation import Prepared
from zoo.deployment import ChannelsLast

CHECKED = 4  # images of the data, and as many random ones, on which both are compared
EQUAL = 1e-5  # tolerances, relative to the largest logit and to the length of an image's gradient
# tolerance, relative to that length, where rounding moved a unit across the kink of its ReLU: allowed in fewer than
# half of the images, or in more if float64 gives the same gradients
AT_A_KINK = 1e-2
CONV2D = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")  # arguments of torch.conv2d


class Folded(nn.Module):
    """A traced model whose convolutions hold the batch norm after them and work in channels-last layout.

    For each shape of images its kernels are cropped to the taps that touch pixels.

    Args:
        body: the traced model.
        symmetry: what the model itself declares, if anything.
    """

    def __init__(self, body: fx.GraphModule, symmetry: object) -> None:
        super().__init__()
        self.body, self.symmetry = body, symmetry
        self._fitted: dict[torch.Size, fx.GraphModule] = {}

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        if (shape := x.shape[1:]) not in self._fitted:
            self._fitted[shape] = cropped(self.body, x)
        return self._fitted[shape](ChannelsLast.apply(x)).contiguous()


def folded(model: nn.Module) -> Folded | Prepared | None:
    """The folded equal of a frozen model in eval mode, which is not changed; ``None`` if it has none.

    A prepared model's equal is prepared in the same way.

    Only the convolutions' parameters are copied; all others are shared.
    """
    if not _foldable(model):
        return None
    try:
        return _traced(model)
    except (Exception, SystemExit):  # anything that the model's own code raises when traced
        return None


def _traced(model: nn.Module) -> Folded | Prepared:
    if isinstance(model, Prepared):
        return Prepared(_traced(model.model), model.preparation).requires_grad_(False).eval()
    body = fx.symbolic_trace(model)
    _as_layers(body)
    _fold(body)
    return Folded(body, getattr(model, "symmetry", None)).requires_grad_(False).eval()


def worth_folding(model: nn.Module, x: Float[Tensor, "n c h w"]) -> bool:
    """Whether a model has a folded equal with the same logits and the same gradients by the images.

    Both get the first images of the data and random ones, as a batch and one alone.

    Args:
        model: as ``folded`` takes it, on the device of ``x``.
        x: images (n, c, h, w) in [0, 1].
    """
    equal = folded(model)
    if equal is None:
        return False
    draw, few = torch.Generator().manual_seed(0), x[:CHECKED]
    points = torch.cat([few, torch.rand(few.shape, generator=draw).to(few)])
    try:
        return _pure(model, points) and all(_same(model, equal, part) for part in (points, points[-1:]))
    except (Exception, SystemExit):  # anything that the model's own code raises
        return False


def _foldable(model: nn.Module) -> bool:
    parts = list(model.modules())
    numbers = [value for value in (*model.parameters(), *model.buffers()) if value.is_floating_point()]
    return (
        any(isinstance(part, nn.Conv2d) for part in parts)
        and all(value.dtype == torch.float32 for value in numbers)
        and not any(part.training or _hooked(part) for part in parts)
        and not any(isinstance(part, torch.jit.ScriptModule) for part in parts)
    )


def _hooked(part: nn.Module) -> bool:
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    found = (hook for name in hooks for hook in (getattr(part, name, None) or {}).values())
    return any(hook is not logits_alone for hook in found)  # the caller of a folded model does the same


def _as_layers(body: fx.GraphModule) -> None:
    """Replaces, in place, convolutions that a traced model calls as functions by layers.

    Many subclasses of ``nn.Conv2d`` call them so, for instance with TensorFlow's padding.
    """
    parts: dict[Any, Any] = dict(body.named_modules())
    for node in list(body.graph.nodes):
        if node.target is torch.conv2d and (conv := _layer_of(body, node)) is not None:
            name = f"layer_of_{node.name}"
            body.add_submodule(name, conv)
            image = _padded_by(conv, node.args[0], parts)
            node.op, node.target, node.args, node.kwargs = "call_module", name, (image,), {}
    body.graph.eliminate_dead_code()


def _layer_of(body: fx.GraphModule, node: fx.Node) -> nn.Conv2d | None:
    """The layer that does what a call of ``torch.conv2d`` does; ``None`` where an option is computed."""
    given: dict[str, Any] = dict(zip(CONV2D, node.args, strict=False)) | dict(node.kwargs)
    image, weight, bias = (given.pop(name, None) for name in CONV2D[:3])
    if not {image, weight, bias}.issuperset(node.all_input_nodes) or not (weight and weight.op == "get_attr"):
        return None
    if bias is not None and bias.op != "get_attr":
        return None
    kernel = _attribute(body, weight)
    outputs, inputs, height, width = kernel.shape
    inputs *= given.get("groups", 1)
    conv = nn.Conv2d(inputs, outputs, (height, width), **given, bias=False, device="meta")
    conv.weight = nn.Parameter(kernel, requires_grad=False)
    conv.bias = None if bias is None else nn.Parameter(_attribute(body, bias), requires_grad=False)
    return conv.eval()


def _padded_by(conv: nn.Conv2d, image: fx.Node, parts: dict[Any, Any]) -> fx.Node:
    """The input of a convolution.

    A layer that pads with zeros, equally on both sides, becomes the convolution's padding.
    """
    pad = parts.get(image.target) if image.op == "call_module" else None
    if type(pad) is not nn.ZeroPad2d or conv.padding != (0, 0):
        return image
    left, right, above, below = pad.padding
    if left != right or above != below:
        return image
    conv.padding = (above, left)
    return image.args[0]  # pyright: ignore[reportReturnType]


def _attribute(body: fx.GraphModule, node: fx.Node) -> Tensor:
    return functools.reduce(getattr, str(node.target).split("."), body)  # pyright: ignore[reportReturnType]


def _fold(body: fx.GraphModule) -> None:
    """Replaces, in place, the convolutions of a traced model by copies, each with the batch norm after it folded in."""
    called = Counter(node.target for node in body.graph.nodes if node.op == "call_module")
    parts: dict[Any, Any] = dict(body.named_modules())
    for node in list(body.graph.nodes):
        conv = parts.get(node.target) if node.op == "call_module" else None
        if type(conv) is not nn.Conv2d:
            continue
        after = _batch_norm_after(node, parts)
        if after is not None and called[node.target] == called[after.target] == 1:
            conv = fuse_conv_bn_eval(conv, parts[after.target])
            after.replace_all_uses_with(node)
            body.graph.erase_node(after)
        body.set_submodule(node.target, _channels_last(conv))
    body.delete_all_unused_submodules()
    body.recompile()


def _batch_norm_after(node: fx.Node, parts: dict[Any, Any]) -> fx.Node | None:
    """The batch norm that is the only user of a convolution's output, if it has running statistics."""
    if len(node.users) != 1:
        return None
    (user,) = node.users
    part = parts.get(user.target) if user.op == "call_module" else None
    return user if type(part) is nn.BatchNorm2d and part.running_mean is not None else None


def _channels_last(conv: nn.Conv2d) -> nn.Conv2d:
    """A copy of a convolution in channels-last layout; only the bias is shared."""
    own = copy.copy(conv)
    own._parameters = dict(conv._parameters)
    own.weight = nn.Parameter(conv.weight.detach().contiguous(memory_format=torch.channels_last), False)
    return own


def _pure(model: nn.Module, x: Float[Tensor, "n c h w"]) -> bool:
    """Whether a model gives the same logits twice and draws no random numbers."""
    before = torch.get_rng_state()
    with torch.no_grad():
        same = torch.equal(model(x.clone()), model(x.clone()))
    return same and torch.equal(before, torch.get_rng_state())


def _same(model: nn.Module, other: nn.Module, x: Float[Tensor, "n c h w"]) -> bool:
    (logits, gradient), (others, slope) = (_asked(each, x) for each in (model, other))
    if logits.shape != others.shape or not torch.isfinite(logits).all():
        return False
    if (logits - others).abs().max() > EQUAL * logits.abs().max().clamp_min(1):
        return False
    if not _close(gradient, slope, AT_A_KINK).all():
        return False
    return 2 * int(_close(gradient, slope, EQUAL).sum()) >= len(x) or _same_in_float64(model, x)


def _same_in_float64(model: nn.Module, x: Float[Tensor, "n c h w"]) -> bool:
    """Whether folding gives the same gradients where rounding is too small to change the side of a kink.

    A network of large images has so many units that float32 rounding changes some in almost every image.
    """
    exact = copy.deepcopy(model).double()
    (_, gradient), (_, slope) = (_asked(each, x.double()) for each in (exact, _traced(exact)))
    return bool(_close(gradient, slope, EQUAL).all())


def _asked(model: nn.Module, x: Float[Tensor, "n c h w"]) -> tuple[Tensor, Tensor]:
    """Logits, and the gradient by the images of their sum with random weights."""
    points = x.clone().requires_grad_()
    with torch.enable_grad():
        logits = model(points)
        weights = torch.rand(logits.shape, generator=torch.Generator().manual_seed(0)).to(logits)
        (gradient,) = torch.autograd.grad((weights * logits).sum(), points)
    return logits.detach(), gradient


def _close(
    one: Float[Tensor, "n c h w"], other: Float[Tensor, "n c h w"], bound: float
) -> Bool[Tensor, " n"]:
    return (one - other).flatten(1).norm(dim=1) <= bound * one.flatten(1).norm(dim=1)
