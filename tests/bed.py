"""Models to try the audit on: broken ones that look robust or otherwise deceive, and honest ones.

All hold a network trained on the digits, so their clean accuracy is real. Each is a factory for the command line:
``bench audit --model tests/bed.py:quantised``. ``bed_expected.py`` says which checks must catch which.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import zoo
from zoo.layers.block import Block

GREY_LEVELS = 16  # the digits' own


class Wrapped(nn.Module):
    """A trained network, and what ``act`` does with it."""

    def __init__(self, name: str = "baseline_cnn_4") -> None:
        super().__init__()
        self.net = zoo.load(name)


def _model(forward: Callable[[Any, Tensor], Tensor], **attributes: Any) -> nn.Module:
    """A wrapped network with this forward pass and these attributes."""
    made = type("Model", (Wrapped,), {"forward": forward})()
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def _on_grid(x: Tensor) -> Tensor:
    return (GREY_LEVELS * x).round() / GREY_LEVELS


# ---- gradients that vanish


def quantised() -> nn.Module:
    """Rounds the image to the digits' own grey levels: the gradient is 0 everywhere."""
    return _model(lambda self, x: self.net(_on_grid(x)))


def saturated() -> nn.Module:
    """Logits ten thousand times too large: the softmax is exactly one-hot."""
    return _model(lambda self, x: 1e4 * self.net(x))


def gives_up() -> nn.Module:
    """Lets no gradient through where it is sure of itself."""

    def forward(self: Any, x: Tensor) -> Tensor:
        logits = self.net(x)
        sure = logits.softmax(1).amax(1, keepdim=True) > 0.9
        return torch.where(sure, logits.detach() + 0 * logits, logits)

    return _model(forward)


def clipped() -> nn.Module:
    """Logits clamped to ±1, where most of them lie beyond."""
    return _model(lambda self, x: self.net(x).clamp(-1, 1))


def binarised() -> nn.Module:
    """Black or white is all it sees of a pixel."""
    return _model(lambda self, x: self.net((x - 0.3).sign().clamp(min=0)))


def blind_when_clean() -> nn.Module:
    """Has gradients only off the digits' grey levels, where attacks that start at the image never get."""

    def forward(self: Any, x: Tensor) -> Tensor:
        clean = ((x - _on_grid(x)).abs().flatten(1).amax(1) < 1e-4)[:, None, None, None]
        return self.net(torch.where(clean, x.detach() + 0 * x, x))

    return _model(forward)


def blind_when_attacked() -> nn.Module:
    """Has gradients at the clean image only, so one step works and many do not."""

    def forward(self: Any, x: Tensor) -> Tensor:
        clean = ((x - _on_grid(x)).abs().flatten(1).amax(1) < 1e-4)[:, None, None, None]
        return self.net(torch.where(clean, x, x.detach() + 0 * x))

    return _model(forward)


# ---- graphs that are cut


def detached() -> nn.Module:
    """The graph ends before the network."""
    return _model(lambda self, x: self.net(x.detach()))


def no_graph() -> nn.Module:
    """The forward pass runs without gradients."""
    return _model(torch.no_grad()(lambda self, x: self.net(x)))


def through_numpy() -> nn.Module:
    """Rounds the image in NumPy, as JPEG compression through another library does."""

    def forward(self: Any, x: Tensor) -> Tensor:
        pixels = np.round(x.detach().cpu().numpy() * 15) / 15
        return self.net(torch.from_numpy(pixels).to(x))

    return _model(forward)


def one_hot() -> nn.Module:
    """Gives the class alone."""
    return _model(lambda self, x: F.one_hot(self.net(x).argmax(1), 10).float())


# ---- gradients that lie


class _Backward(torch.autograd.Function):
    """The identity with another backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, backward: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.other = backward
        return x.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return ctx.other(grad), None


def wrong_sign() -> nn.Module:
    """The gradient points the other way."""
    return _model(lambda self, x: self.net(_Backward.apply(x, torch.neg)))


def random_gradient() -> nn.Module:
    """The gradient is noise, new each time."""
    return _model(lambda self, x: self.net(_Backward.apply(x, torch.randn_like)))


def fixed_gradient() -> nn.Module:
    """The gradient is noise, the same each time."""

    def noise(grad: Tensor) -> Tensor:
        drawn = torch.randn(grad.shape[1:], generator=torch.Generator().manual_seed(0))
        return drawn.to(grad).expand_as(grad)

    return _model(lambda self, x: self.net(_Backward.apply(x, noise)))


def shattered() -> nn.Module:
    """A ripple on the image, too fine to see, that rules its gradient."""
    return _model(lambda self, x: self.net(x + 0.03 * torch.sin(2000 * x)))


def decoy() -> nn.Module:
    """The gradient is that of another network; the answer is not."""

    def forward(self: Any, x: Tensor) -> Tensor:
        other = self.other(x)
        return self.net(x).detach() + other - other.detach()

    with torch.random.fork_rng():
        torch.manual_seed(0)
        other = nn.Sequential(nn.Flatten(), nn.Linear(256, 10))
    return _model(forward, other=other)


# ---- answers at random


def noisy() -> nn.Module:
    """Adds noise to every image."""
    return _model(lambda self, x: self.net(x + 0.1 * torch.randn_like(x)))


def rarely_noisy() -> nn.Module:
    """Adds noise to one batch in twenty."""

    def forward(self: Any, x: Tensor) -> Tensor:
        return self.net(x + 0.3 * torch.randn_like(x) if torch.rand(()) < 0.05 else x)

    return _model(forward)


def random_shift() -> nn.Module:
    """Moves every image by up to a pixel and resizes it by up to an eighth."""

    def forward(self: Any, x: Tensor) -> Tensor:
        down, right = (int(step) for step in torch.randint(-1, 2, (2,)))
        size = int(torch.randint(14, 17, ()))
        small = F.interpolate(x.roll((down, right), (2, 3)), size, mode="bilinear", align_corners=False)
        return self.net(F.interpolate(small, x.shape[-1], mode="bilinear", align_corners=False))

    return _model(forward)


def dropout() -> nn.Module:
    """Drops pixels at test time too."""
    return _model(lambda self, x: self.net(F.dropout(x, 0.1, training=True)))


def numpy_noise() -> nn.Module:
    """Draws its noise in NumPy."""

    def forward(self: Any, x: Tensor) -> Tensor:
        return self.net(x + 0.05 * torch.from_numpy(np.random.standard_normal(tuple(x.shape))).to(x))

    return _model(forward)


def reseeded() -> nn.Module:
    """Noise from a seed it sets itself: the same for the same batch, and all restarts alike."""

    def forward(self: Any, x: Tensor) -> Tensor:
        torch.manual_seed(0)
        return self.net(x + 0.1 * torch.randn_like(x))

    return _model(forward)


def noise_of_the_batch() -> nn.Module:
    """Noise from a seed that is a hash of the batch: nothing random to be seen, but no gradient helps."""

    def forward(self: Any, x: Tensor) -> Tensor:
        digest = hashlib.sha256(x.detach().cpu().numpy().tobytes()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        return self.net(x + 0.1 * torch.randn(x.shape, generator=generator).to(x))

    return _model(forward)


# ---- answers that depend on who asks, and how


def batch_norm_training() -> nn.Module:
    """Batch norm goes on in training mode: it uses the batch's own statistics, and its averages drift."""

    def train(self: Any, mode: bool = True) -> Any:
        nn.Module.train(self, mode)
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.training = True
        return self

    made = _model(lambda self, x: self.net(x))
    type(made).train = train  # type: ignore[method-assign]
    return made.eval()


def centred_on_the_batch() -> nn.Module:
    """Subtracts the batch's mean brightness."""
    return _model(lambda self, x: self.net(x - 0.3 * (x.mean() - 0.3)))


def alone() -> nn.Module:
    """Answers otherwise when asked about one image alone."""
    return _model(lambda self, x: self.net(x if len(x) > 1 else 0.7 * x))


def first_come() -> nn.Module:
    """Treats the first image of a batch otherwise."""

    def forward(self: Any, x: Tensor) -> Tensor:
        return self.net(torch.cat([0.8 * x[:1], x[1:]]))

    return _model(forward)


def detects_gradients() -> nn.Module:
    """Shows attacks another network than the judge."""
    return _model(lambda self, x: self.net(x.flip(-1) if x.requires_grad else x))


def changes_the_image() -> nn.Module:
    """Writes into the image it is given."""
    return _model(lambda self, x: self.net(x.mul_(0.9)))


# ---- memory


def remembers() -> nn.Module:
    """Repeats its last answer for images close to its last ones."""

    def forward(self: Any, x: Tensor) -> Tensor:
        logits = self.net(x)
        if self.last is not None and len(self.last[0]) == len(x):
            near = (x - self.last[0]).abs().flatten(1).amax(1, keepdim=True) < 0.2
            logits = torch.where(near, self.last[1], logits)
        self.last = (x.detach().clone(), logits.detach().clone())
        return logits

    return _model(forward, last=None)


_SEEN: list[Tensor] = []


def remembers_elsewhere() -> nn.Module:
    """The same, with the memory in a global list."""

    def forward(self: Any, x: Tensor) -> Tensor:
        logits = self.net(x)
        if _SEEN and _SEEN[0].shape == x.shape:
            near = (x - _SEEN[0]).abs().flatten(1).amax(1, keepdim=True) < 0.2
            logits = torch.where(near, _SEEN[1], logits)
        _SEEN[:] = [x.detach().clone(), logits.detach().clone()]
        return logits

    return _model(forward)


def tires() -> nn.Module:
    """Counts its calls, and answers otherwise after a hundred thousand."""

    def forward(self: Any, x: Tensor) -> Tensor:
        self.calls += 1
        return self.net(x if self.calls < 100_000 else x.flip(-1))

    return _model(forward, calls=0)


def counts_in_a_closure() -> nn.Module:
    """The same, with the count where no attribute shows it."""
    calls = 0

    def forward(self: Any, x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return self.net(x if calls < 100_000 else x.flip(-1))

    return _model(forward)


def switches_gradients_off() -> nn.Module:
    """Turns gradients off for everyone, for good."""

    def forward(self: Any, x: Tensor) -> Tensor:
        logits = self.net(x)
        torch.set_grad_enabled(False)
        return logits

    return _model(forward)


class _Cached(nn.Module):
    """A layer that caches its scale in eval mode, as equivariant libraries cache their filters."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.train(False)

    def train(self, mode: bool = True) -> _Cached:
        if self.training or mode:
            super().train(mode)
            self.cached = None if mode else self.scale.detach().clone()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return x * (self.scale if self.cached is None else self.cached)


def stale() -> nn.Module:
    """Its weights came after eval(), so a cache still holds the old ones."""
    made = _model(lambda self, x: self.net(self.layer(x)), layer=_Cached())
    made.eval()
    with torch.no_grad():
        made.layer.scale.fill_(1.0)  # type: ignore[union-attr]
    return made


# ---- other outputs, inputs and procedures


def softmax() -> nn.Module:
    """Gives probabilities."""
    return _model(lambda self, x: self.net(x).softmax(1))


def percent() -> nn.Module:
    """Gives probabilities, times a hundred."""
    return _model(lambda self, x: 100 * self.net(x).softmax(1))


def nan_when_attacked() -> nn.Module:
    """NaN wherever pixels are not on the digits' own grey levels."""

    def forward(self: Any, x: Tensor) -> Tensor:
        off = (x - _on_grid(x)).abs().flatten(1).amax(1)
        return self.net(x) + torch.sqrt(1e-4 - off)[:, None]

    return _model(forward)


def only_the_best() -> nn.Module:
    """Logits of all but three classes are minus infinity."""

    def forward(self: Any, x: Tensor) -> Tensor:
        logits = self.net(x)
        return logits.masked_fill(logits < logits.topk(3).values[:, -1:], -torch.inf)

    return _model(forward)


def expects_normalised() -> nn.Module:
    """Expects images in [-1, 1]."""
    made = _model(lambda self, x: self.net(x))
    made.net.normalize = nn.Identity()  # type: ignore[union-attr]
    return made


def expects_bytes() -> nn.Module:
    """Expects images in 0 … 255."""
    return _model(lambda self, x: self.net(x / 255))


def says_p4() -> nn.Module:
    """Declares a symmetry that it does not have."""
    return _model(lambda self, x: self.net(x), symmetry="p4")


def optimises() -> nn.Module:
    """Cleans each image by a few gradient steps before it answers."""

    def forward(self: Any, x: Tensor) -> Tensor:
        with torch.enable_grad():
            cleaned = x.detach().clone().requires_grad_()
            confidence = self.net(cleaned).logsumexp(1).sum()
            (step,) = torch.autograd.grad(confidence, cleaned)
        return self.net((x + 0.01 * step.sign()).clamp(0, 1))

    return _model(forward)


_grad = torch.autograd.grad


def optimises_unseen() -> nn.Module:
    """The same, through a name of its own for autograd's function."""

    def forward(self: Any, x: Tensor) -> Tensor:
        with torch.enable_grad():
            cleaned = x.detach().clone().requires_grad_()
            (step,) = _grad(self.net(cleaned).logsumexp(1).sum(), cleaned)
        return self.net((x + 0.01 * step.sign()).clamp(0, 1))

    return _model(forward)


def _winners(part: nn.Module, given: Any, features: Tensor) -> Tensor:
    flat = features.flatten(1)
    least = flat.kthvalue(4 * flat.shape[1] // 5, dim=1, keepdim=True).values
    return (flat * (flat > least)).view_as(features)


def k_winners() -> nn.Module:
    """Keeps the largest fifth of each layer's features (Xiao et al. 2020): the surface breaks into pieces."""
    made = _model(lambda self, x: self.net(x))
    for part in made.modules():
        if isinstance(part, Block):
            part.register_forward_hook(_winners)
    return made


# ---- honest ones


def log_softmax() -> nn.Module:
    """Logits shifted by their logarithmic sum: the same softmax."""
    return _model(lambda self, x: self.net(x).log_softmax(1))


def warm() -> nn.Module:
    """Logits a tenth as large: less sure, with the same decisions."""
    return _model(lambda self, x: 0.1 * self.net(x))


def blurred() -> nn.Module:
    """Blurs a little before it answers."""
    return _model(lambda self, x: self.net(0.6 * x + 0.4 * F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)))


def eight_bit() -> nn.Module:
    """Rounds to 256 grey levels, and lets gradients straight through: too fine a grid to hide anything."""
    return _model(lambda self, x: self.net(x + ((255 * x).round() / 255 - x).detach()))


def clamped() -> nn.Module:
    """Clamps images to [0, 1], where they are."""
    return _model(lambda self, x: self.net(x.clamp(0, 1)))


def fills_a_cache() -> nn.Module:
    """Makes a constant at its first call."""

    def forward(self: Any, x: Tensor) -> Tensor:
        if x.shape[1:] not in self.ones:
            self.ones[x.shape[1:]] = torch.ones(x.shape[1:]).to(x)
        return self.net(x * self.ones[x.shape[1:]])

    return _model(forward, ones={})
