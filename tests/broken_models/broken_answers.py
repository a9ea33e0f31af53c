"""Models with random logits, or with logits that depend on how the model is called."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from wrapped import model

# ---- answers at random


def noisy() -> nn.Module:
    """Adds noise to every image."""
    return model(lambda self, x: self.net(x + 0.1 * torch.randn_like(x)))


def rarely_noisy() -> nn.Module:
    """Adds noise to one batch in twenty."""

    def forward(self: Any, x: Tensor) -> Tensor:
        return self.net(x + 0.3 * torch.randn_like(x) if torch.rand(()) < 0.05 else x)

    return model(forward)


def random_shift() -> nn.Module:
    """Moves every image by up to a pixel and resizes it by up to an eighth."""

    def forward(self: Any, x: Tensor) -> Tensor:
        down, right = (int(step) for step in torch.randint(-1, 2, (2,)))
        size = int(torch.randint(14, 17, ()))
        small = F.interpolate(x.roll((down, right), (2, 3)), size, mode="bilinear", align_corners=False)
        return self.net(F.interpolate(small, x.shape[-1], mode="bilinear", align_corners=False))

    return model(forward)


def dropout() -> nn.Module:
    """Drops pixels at test time too."""
    return model(lambda self, x: self.net(F.dropout(x, 0.1, training=True)))


def numpy_noise() -> nn.Module:
    """Draws its noise in NumPy."""

    def forward(self: Any, x: Tensor) -> Tensor:
        return self.net(x + 0.05 * torch.from_numpy(np.random.standard_normal(tuple(x.shape))).to(x))

    return model(forward)


def reseeded() -> nn.Module:
    """Noise from a seed it sets itself: the same for the same batch, and all restarts alike."""

    def forward(self: Any, x: Tensor) -> Tensor:
        torch.manual_seed(0)
        return self.net(x + 0.1 * torch.randn_like(x))

    return model(forward)


def noise_of_the_batch() -> nn.Module:
    """Noise from a seed that is a hash of the batch: nothing random to be seen, but no gradient helps."""

    def forward(self: Any, x: Tensor) -> Tensor:
        digest = hashlib.sha256(x.detach().cpu().numpy().tobytes()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        return self.net(x + 0.1 * torch.randn(x.shape, generator=generator).to(x))

    return model(forward)


# ---- answers that depend on who asks, and how


def batch_norm_training() -> nn.Module:
    """Batch norm goes on in training mode: it uses the batch's own statistics, and its averages drift."""

    def train(self: Any, mode: bool = True) -> Any:
        nn.Module.train(self, mode)
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.training = True
        return self

    made = model(lambda self, x: self.net(x))
    type(made).train = train  # type: ignore[method-assign]
    return made.eval()


def centred_on_the_batch() -> nn.Module:
    """Subtracts the batch's mean brightness."""
    return model(lambda self, x: self.net(x - 0.3 * (x.mean() - 0.3)))


def alone() -> nn.Module:
    """Answers otherwise when asked about one image alone."""
    return model(lambda self, x: self.net(x if len(x) > 1 else 0.7 * x))


def first_come() -> nn.Module:
    """Treats the first image of a batch otherwise."""

    def forward(self: Any, x: Tensor) -> Tensor:
        return self.net(torch.cat([0.8 * x[:1], x[1:]]))

    return model(forward)


def detects_gradients() -> nn.Module:
    """Shows attacks another network than the judge."""
    return model(lambda self, x: self.net(x.flip(-1) if x.requires_grad else x))


def changes_the_image() -> nn.Module:
    """Writes into the image it is given."""
    return model(lambda self, x: self.net(x.mul_(0.9)))
