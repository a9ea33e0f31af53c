"""Images moved towards training images of other classes, and a proxy of the class that they then have.

After Tramèr et al. 2020, "Fundamental Tradeoffs between Invariance and Sensitivity to Adversarial Perturbations": an
image may change its true class within ε while a model keeps its answer. In that paper people decide the class. Here the
proxy is the class of the nearest training image (L2).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from bench.inputs.sources import Images

CHUNK = 2000  # training images that are compared with at once


def towards(
    x: Float[Tensor, "n c h w"], aims: Float[Tensor, "n k c h w"], eps: float
) -> Float[Tensor, "n k c h w"]:
    """The images of the L∞ ball of radius ε around x that are nearest to the aims."""
    return x[:, None] + (aims - x[:, None]).clamp(-eps, eps)


def nearest_labels(x: Float[Tensor, "n c h w"], training: Images) -> Int64[Tensor, " n"]:
    """The class of the nearest training image of each image; of equally near ones the first in their order."""
    best = torch.full((len(x),), torch.inf, dtype=torch.float64, device=x.device)
    found = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    for _, labels, distances in _compared(x, training):
        near, at = distances.min(dim=1)
        closer = near < best
        best[closer], found[closer] = near[closer], labels[at[closer]]
    return found


def nearest_others(
    x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], training: Images, count: int
) -> tuple[Float[Tensor, "n k c h w"], Bool[Tensor, "n k"]]:
    """The ``count`` nearest training images of other classes, and which of them there are: fewer may exist."""
    best = torch.full((len(x), 0), torch.inf, dtype=torch.float64, device=x.device)
    aims = x.new_zeros((len(x), 0, *x.shape[1:]))
    for images, labels, distances in _compared(x, training):
        distances = distances.masked_fill(labels == y[:, None], torch.inf)
        near, at = distances.topk(min(count, len(images)), dim=1, largest=False)
        best, aims = torch.cat([best, near], 1), torch.cat([aims, images[at]], 1)
        best, kept = best.topk(min(count, best.shape[1]), dim=1, largest=False)
        aims = aims.gather(1, kept[:, :, None, None, None].expand(-1, -1, *x.shape[1:]))
    return aims, best.isfinite()


def _compared(x: Tensor, training: Images) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Training images, their labels, and the distances of each x from them, part by part."""
    labels = torch.from_numpy(training.labels.astype("int64")).to(x.device)
    for first in range(0, len(training), CHUNK):
        images = training.images(first, min(CHUNK, len(training) - first)).to(x)
        distances = torch.cdist(x.flatten(1).double(), images.flatten(1).double())
        yield images, labels[first : first + len(images)], distances
