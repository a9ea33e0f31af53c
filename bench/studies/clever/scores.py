"""CLEVER scores of images: margins, Lipschitz estimates, and the smaller of their ratio and the radius."""

from __future__ import annotations

import importlib

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.engine.seeding import seed_of, seeded
from bench.errors import CellError, UsageError
from bench.studies.clever.fit import Fit
from bench.studies.clever.options import CleverOptions

PER_TARGET = ("margin", "lipschitz", "largest_sample", "shape", "loc", "scale", "ks_p", "target_score")
MODULES = {"art": "art_engine", "batched": "batched", "evt": "evt"}


def clever(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    options: CleverOptions,
    *,
    first: int,
) -> dict[str, np.ndarray]:
    """CLEVER scores of images (Weng et al., ICLR 2018): the smallest over targets of min(margin / L, radius).

    The result of an image depends only on the model, the image, the options and its index. The caller's random state is
    put back. Wrongly classified images score 0 without any work.

    Args:
        model: classifier of images in [0, 1] with logits (n, classes), in eval mode, on the device of ``x``.
        x: images (n, c, h, w), float32 in [0, 1].
        y: labels (n,), int64.
        options: engine, norm, radius, budget, targets and seed.
        first: index of the first image in its data set.

    Returns:
        By image, (n,): ``label``, ``predicted``, ``standing`` (classified rightly), ``score`` in pixel
        units, ``nonfinite`` (never: that is an error here), ``zero_gradient`` (every sampled gradient of
        some margin was 0), ``censored`` (the score is the radius). By image and target, (n, T), with −1,
        NaN or False for wrong images: ``target``, ``margin``, ``lipschitz``, ``largest_sample``, ``shape``,
        ``loc``, ``scale``, ``ks_p``, ``target_score``, ``fallback``, ``target_censored``.

    Raises:
        UsageError: fewer than 2 classes, softmax outputs, or more targets than there are.
        CellError: logits or gradients that are not finite.
    """
    logits = _logits(model, x)
    _check_logits(logits, options)
    predicted = logits.argmax(dim=1).cpu()
    arrays = _empty(y.cpu(), predicted, options.targets or logits.shape[1] - 1)
    for i in arrays["standing"].nonzero()[0]:
        label = int(predicted[i])
        targets = _targets(logits[i], label, options.targets)
        margin = (logits[i, label] - logits[i, targets]).double().cpu().numpy()
        fit, scores = _measured(model, x[i], label, targets, margin, options, first + int(i))
        censored = scores >= options.radius
        row = {name: getattr(fit, name) for name in Fit.__slots__}
        row |= {"target": targets, "margin": margin, "target_score": scores, "target_censored": censored}
        for name, values in row.items():
            arrays[name][i] = values
        arrays["score"][i] = scores.min()
        arrays["censored"][i] = censored.all()
        arrays["zero_gradient"][i] = (fit.largest_sample == 0).any()
    return arrays


def image_seed(seed: int, index: int) -> int:
    """The seed of one image's samples; ``numpy.random`` takes it modulo 2³²."""
    return seed_of(seed, index, "clever")


def _measured(
    model: nn.Module,
    image: Float[Tensor, "c h w"],
    label: int,
    targets: list[int],
    margin: np.ndarray,
    options: CleverOptions,
    index: int,
) -> tuple[Fit, np.ndarray]:
    """The engine's fits for one image, and its scores (T,)."""
    engine = importlib.import_module(f"bench.studies.clever.{MODULES[options.engine]}").estimate
    with seeded(image.device, options.seed, index, "clever"):
        try:
            found = engine(model, image, label, targets, options, image_seed(options.seed, index))
        except CellError as fault:
            raise CellError(f"image {index}: {fault}") from fault
    if options.engine == "art":
        return found  # with the scores ART itself computed
    finite = found.lipschitz > 0
    ratio = np.divide(margin, found.lipschitz, where=finite, out=np.full_like(margin, np.inf))
    return found, np.minimum(ratio, options.radius)


def _targets(logits: Float[Tensor, " classes"], label: int, count: int | None) -> list[int]:
    """All other classes, or those of the largest logits, in ascending order."""
    ranked = [int(j) for j in logits.argsort(descending=True, stable=True) if int(j) != label]
    return sorted(ranked[:count])


@torch.no_grad()
def _logits(model: nn.Module, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
    """Logits of each image alone: in a batch their last bits would depend on the other images."""
    if len(x) == 0:
        raise UsageError("there are no images to score; give at least one")
    logits = [model(image[None]) for image in x]
    if logits[0].ndim != 2:
        raise UsageError(
            f"the model returns shape {tuple(logits[0].shape)} for one image instead of (1, classes)"
        )
    return torch.cat(logits).float()


def _check_logits(logits: Float[Tensor, "n classes"], options: CleverOptions) -> None:
    classes = logits.shape[1]
    if classes < 2:
        raise UsageError(f"the model has {classes} output; CLEVER compares the logits of at least 2 classes")
    if options.targets is not None and options.targets > classes - 1:
        raise UsageError(
            f"--targets top-{options.targets}: a model of {classes} classes has {classes - 1} others"
        )
    if not bool(torch.isfinite(logits).all()):
        raise CellError("the model's logits are not finite on a clean image; CLEVER is not defined there")
    inside = bool(((logits >= 0) & (logits <= 1)).all())
    if inside and bool(((logits.double().sum(dim=1) - 1).abs() < 1e-4).all()):
        raise UsageError("the model's outputs are probabilities; CLEVER needs logits: remove its softmax")


def _empty(y: Int64[Tensor, " n"], predicted: Int64[Tensor, " n"], targets: int) -> dict[str, np.ndarray]:
    """The arrays before anything was measured."""
    n = len(y)
    flags = {name: np.zeros(n, dtype=bool) for name in ("nonfinite", "zero_gradient", "censored")}
    return {
        "label": y.numpy().copy(),
        "predicted": predicted.numpy(),
        "standing": (predicted == y).numpy(),
        "score": np.zeros(n),
        **flags,
        "target": np.full((n, targets), -1, dtype=np.int64),
        **{name: np.full((n, targets), np.nan) for name in PER_TARGET},
        "fallback": np.zeros((n, targets), dtype=bool),
        "target_censored": np.zeros((n, targets), dtype=bool),
    }


def check_model(name: str, model: nn.Module, x: Float[Tensor, "n c h w"], options: CleverOptions) -> None:
    """Raises ``UsageError`` if CLEVER is not defined for a model, judged by its outputs on a few images."""
    try:
        _check_logits(_logits(model, x), options)
    except (CellError, UsageError) as fault:
        raise UsageError(f"model {name!r}: {fault}") from fault
