"""Measuring one's own model from Python."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from bench.attacks import ATTACKS, parse_requests
from bench.cell import Scalar
from bench.errors import CellError, UsageError, nearest
from bench.evaluation import Ask, Evaluation, make_setting, run_evaluation
from bench.executors import Bench, InProcess
from bench.own_code import code_digest
from bench.own_models import state_digest
from bench.plan import SHARD
from bench.results import ModelInfo, Results
from bench.sources import DataSource, ModelSource, deployed, probe
from bench.store import MemoryStore, Store


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ArrayData:
    """Images from memory in the order they were given; answers like ``zoo.data.Dataset``."""

    name: str
    x: Float32[Tensor, "n c h w"]
    labels: Int64[np.ndarray, " n"]
    classes: tuple[str, ...]
    sha256: str

    def __len__(self) -> int:
        return len(self.x)

    def images(self, first: int = 0, count: int | None = None) -> Float32[Tensor, "count c h w"]:
        """Images ``first`` to ``first + count``: (count, c, h, w), float32 in [0, 1]."""
        return self.x[first : None if count is None else first + count].clone()


def evaluate(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    attacks: Sequence[str] = ("fgsm", "pgd"),
    eps: Sequence[str | float] | str | float = "8/255",
    *,
    norm: str = "linf",
    name: str = "model",
    dataset: str = "data",
    library: str | None = None,
    seed: int = 0,
    independent: bool = False,
    store: Store | None = None,
    **params: Scalar,
) -> Results:
    """Measures a model on images, in this process, exactly as ``bench run`` does.

    Args:
        model: classifier of (n, c, h, w) images in [0, 1] that returns logits (n, classes); its
            normalisation belongs inside it. A copy is measured; the model itself stays as it is.
        x: images (n, c, h, w), float in [0, 1].
        y: labels (n,), integers from 0.
        attacks: names as on the command line, e.g. ``pgd`` or ``foolbox:pgd``.
        eps: one ε or several, in pixel units, as numbers or texts like ``8/255``.
        norm: ``linf`` or ``l2``.
        name, dataset: names in rows.
        library: library of the attacks that name none, where it has them; default: the first that does.
        seed: of the random starts.
        independent: measure every ε anew instead of carrying broken images forward.
        store: where results are kept; by default they last as long as the returned value.
        **params: parameters of the attacks as ``bench list attacks`` shows them, e.g. ``steps=50``.

    Returns:
        Results; ``bench.leaderboard_rows(results)`` makes leaderboard rows of them, and
        ``results.models[0].worst().mean(axis=1)`` is the robust accuracy at each ε.

    Raises:
        UsageError: the model or an argument cannot be measured.
        CellError: an attack failed.
    """
    data = _data(dataset, x, y)
    grid = (eps,) if isinstance(eps, str | float | int) else tuple(eps)
    source = DataSource(spec="python", name=dataset)
    requests = parse_requests(attacks, library=library, norm=norm, params=_known(params))
    ask = Ask(
        models=(),
        requests=requests,
        data=source,
        eps=grid,
        n=len(data),
        norm=norm,
        seed=seed,
        independent=independent,
    )
    info = ModelInfo(
        name=name,
        weights=hashlib.sha256(f"{state_digest(model)} {code_digest(model)}".encode()).hexdigest(),
        trained_on="unknown",
        parameters=sum(p.numel() for p in model.parameters()),
        origin="python",
    )
    evaluation = Evaluation(
        setting=make_setting(ask, data),
        models=((ModelSource(kind="python", name=name, target=name, dataset=dataset), info),),
        requests=requests,
        data=data,
        source=source,
        device="cpu",
        command="bench.evaluate(…)",
        bench=_bench(source, data, info, model),
    )
    outcome = run_evaluation(evaluation, store or MemoryStore(), InProcess(evaluation.bench))
    if outcome.failures:
        raise CellError(str(outcome.failures[0]))
    return outcome.results[0]


def _bench(source: DataSource, data: ArrayData, info: ModelInfo, model: nn.Module) -> Bench:
    ready = deployed(model, "cpu")
    probe(info.name, ready, data.images(0, min(SHARD, len(data))), len(data.classes), more=True)
    bench = Bench()
    bench.keep_data(source, data)
    bench.keep_model(info.weights, "cpu", ready)
    return bench


def _known(params: dict[str, Scalar]) -> dict[str, Scalar]:
    known = list(dict.fromkeys(name for spec in ATTACKS.values() for name in spec.params))
    for name in params:
        if name not in known:
            raise UsageError(f"unknown attack parameter {name!r}; {nearest(name, known)}")
    return params


def _data(name: str, x: Tensor, y: Tensor) -> ArrayData:
    if x.ndim != 4 or not x.is_floating_point():
        raise UsageError(f"x is {x.dtype} of shape {tuple(x.shape)}; it must be float images (n, c, h, w)")
    if len(x) == 0 or y.shape != (len(x),):
        raise UsageError(f"{len(x)} images were given with labels of shape {tuple(y.shape)}")
    if not bool(((x >= 0) & (x <= 1)).all()):
        low, high = float(x.min()), float(x.max())
        raise UsageError(
            f"x spans {low:.4g} to {high:.4g}, not [0, 1]; put the normalisation inside the model"
        )
    if y.is_floating_point() or int(y.min()) < 0:
        raise UsageError("y must hold class numbers from 0")
    images = x.detach().to("cpu", torch.float32).contiguous()
    labels = y.detach().cpu().numpy().astype(np.int64)
    digest = hashlib.sha256(images.numpy().tobytes() + labels.tobytes()).hexdigest()
    classes = tuple(str(i) for i in range(int(labels.max()) + 1))
    return ArrayData(name=name, x=images, labels=labels, classes=classes, sha256=digest)
