"""ART's own unchanged CLEVER, on an estimator that computes the whole pool at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from bench.attacks.art_home import load_art
from bench.errors import CellError
from bench.inputs.faults import out_of_memory
from bench.studies.clever.fit import Fit, ks_p
from bench.studies.clever.gradients import chunk_of, differentiable
from bench.studies.clever.options import CleverOptions

ORDERS: dict[str, float] = {"l2": 2, "linf": np.inf, "l1": 1}


def estimate(
    model: nn.Module,
    image: Float[Tensor, "c h w"],
    label: int,
    targets: list[int],
    options: CleverOptions,
    seed: int,
) -> tuple[Fit, np.ndarray]:
    """ART's scores of the targets (T,), and the fits they come from.

    ``numpy.random`` is seeded once and the targets, ascending, draw from it one after the other: the
    smallest score over all classes is what ``art.metrics.clever_u`` returns under ``numpy.random.seed(seed)``.

    Raises:
        CellError: ART or SciPy failed.
    """
    metrics = load_art("art.metrics.metrics")
    estimator = _estimator(model, image, metrics)
    budget = (options.batches, options.samples, options.radius, ORDERS[options.norm])
    scores, fits = [], []
    np.random.seed(seed % 2**32)
    with _recorded(metrics, fits):
        for target in targets:
            estimator.margin = (label, target)
            try:
                score = metrics.clever_t(
                    estimator, image.cpu().numpy(), target, *budget, pool_factor=options.pool_factor
                )
            except CellError:
                raise
            except Exception as fault:
                if out_of_memory(fault):
                    raise
                raise CellError(
                    f"ART's CLEVER raised {type(fault).__name__}: {fault}".splitlines()[0]
                ) from fault
            scores.append(float(score))
    return _as_fit(fits), np.array(scores)


def _as_fit(fits: list[tuple[np.ndarray, tuple[float, float, float]]]) -> Fit:
    samples = np.stack([each for each, _ in fits]).astype(np.float64)
    parameters = np.array([found for _, found in fits], dtype=np.float64)
    fitted = (np.ptp(samples, axis=1) > 0) & (parameters[:, 2] > 0)
    p = np.full(len(fits), np.nan)
    p[fitted] = ks_p(samples[fitted], parameters[fitted])
    shape, loc, scale = parameters.T
    return Fit(
        lipschitz=-loc,
        largest_sample=-samples.min(axis=1),
        shape=shape,
        loc=loc,
        scale=scale,
        ks_p=p,
        fallback=np.zeros(len(fits), dtype=bool),  # ART has none
    )


@contextlib.contextmanager
def _recorded(metrics: ModuleType, fits: list[Any]) -> Iterator[None]:
    """Records the inputs and results of SciPy's fits in ART, without changing them."""
    real = metrics.weibull_min

    class Recorder:
        @staticmethod
        def fit(samples: np.ndarray, *args: Any, **options: Any) -> Any:
            found = real.fit(samples, *args, **options)
            fits.append((samples, tuple(found)))
            return found

    with mock.patch.object(metrics, "weibull_min", Recorder):
        yield


class _Plain(nn.Module):
    """Wraps an ``nn.Sequential``, as ART's wrapper would keep the output of each of its layers."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def _estimator(model: nn.Module, image: Float[Tensor, "c h w"], metrics: ModuleType) -> Any:
    """An estimator of ART for one image: no preprocessing pass, and gradients of whole pools."""
    from art.estimators.classification import PyTorchClassifier

    class PooledClassifier(PyTorchClassifier):
        """Answers ``class_gradient`` for a slice of a pool from one computation of the whole pool.

        ART asks for ten images at a time. Its slices are numpy views, whose base is the pool; gradients of
        both classes of a margin are computed for all of it when its first slice is requested.
        """

        margin: tuple[int, int] = (0, 1)
        _chunk: int | None = None
        _pool: np.ndarray | None = None

        def class_gradient(
            self, x: np.ndarray, label: Any = None, training_mode: bool = False, **kwargs: Any
        ) -> np.ndarray:
            pool = x.base
            if not isinstance(pool, np.ndarray) or pool.shape[1:] != x.shape[1:] or label not in self.margin:
                return super().class_gradient(x, label, training_mode, **kwargs)
            if pool is not self._pool:
                self._chunk = self._chunk or self._trusted_chunk(x)
                self._gradients = self._of_pool(pool, self._chunk)
                self._pool = pool
            start = (x.ctypes.data - pool.ctypes.data) // pool.strides[0]
            return self._gradients[self.margin.index(label)][start : start + len(x), None]

        def _trusted_chunk(self, x: np.ndarray) -> int:
            """Images a pass: many where that gives ART's own bits on a first slice, else as few as ART's."""
            many = chunk_of(x.shape)
            tiled = np.concatenate([x] * -(-many // len(x)))[:many]
            ours = self._of_pool(tiled, many)
            for gradient, label in zip(ours, self.margin, strict=True):
                if not np.array_equal(gradient[: len(x), None], super().class_gradient(x, label)):
                    return len(x)
            return many

        def _of_pool(self, pool: np.ndarray, chunk: int) -> np.ndarray:
            gradients = np.empty((2, *pool.shape), dtype=np.float32)
            for start in range(0, len(pool), chunk):
                part = torch.from_numpy(pool[start : start + chunk]).to(self.device).requires_grad_()
                logits = differentiable(self.model, part)
                for row, label in enumerate(self.margin):
                    (found,) = torch.autograd.grad(
                        logits[:, label].sum(), part, retain_graph=row == 0, materialize_grads=True
                    )
                    gradients[row, start : start + chunk] = found.cpu().numpy()
            if not np.isfinite(gradients).all():
                raise CellError(
                    "the model's gradients are not finite near an image; CLEVER is not defined there"
                )
            return gradients

    with torch.no_grad():
        classes = model(image[None]).shape[1]
    return PooledClassifier(
        model=_Plain(model),
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(image.shape),
        nb_classes=classes,
        clip_values=(0.0, 1.0),
        preprocessing=None,  # pyright: ignore[reportArgumentType]
        device_type="cpu" if image.device.type == "cpu" else "gpu",
    )
