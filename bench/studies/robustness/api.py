"""Measuring one's own model from Python."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor, nn

from bench.attacks import ATTACKS, Request, parse_requests
from bench.attacks.gradient_free import check_gradients
from bench.attacks.request import TARGET, aimed
from bench.engine.cell import Scalar
from bench.engine.executors import InProcess
from bench.engine.loaded import Loaded, one_thread
from bench.engine.seeding import seeded
from bench.engine.store import MemoryStore, Store
from bench.errors import CellError, UsageError, nearest
from bench.inputs.array_data import ArrayData, array_data
from bench.inputs.first_look import Suspicion, first_look
from bench.inputs.foreign import folded_if_equal, is_folded
from bench.inputs.model_info import ModelInfo
from bench.inputs.naming import check_name
from bench.inputs.own_code import code_digest
from bench.inputs.own_models import check_module, state_digest
from bench.inputs.probe import probe
from bench.inputs.sources import DataSource, ModelSource, deployed, precision_name
from bench.inputs.switches import left_alone
from bench.studies.robustness.evaluation import Evaluation, make_setting, run_evaluation
from bench.studies.robustness.results import Results
from bench.studies.shared.ask import Ask
from bench.studies.shared.inspection import kinds, suspicions
from bench.studies.shared.models import LOOKED_AT
from zoo.notes import note_once


@left_alone()
def evaluate(
    model: nn.Module,
    x: Tensor | np.ndarray,
    y: Tensor | np.ndarray | Sequence[int],
    attacks: Sequence[str] | str = ("fgsm", "pgd"),
    eps: Sequence[str | float] | np.ndarray | str | float = "8/255",
    *,
    norm: str = "linf",
    name: str = "model",
    dataset: str = "data",
    library: str | None = None,
    seed: int = 0,
    independent: bool = False,
    store: Store | None = None,
    **params: Scalar | np.generic,
) -> Results:
    """Measures a model on images, in this process, exactly as ``bench run`` does.

    Args:
        model: classifier of (n, c, h, w) images in [0, 1] that returns logits (n, classes); its
            normalisation belongs inside it. A copy is measured; the model itself stays as it is. One in float64
            is given float64.
        x: images (n, c, h, w), float in [0, 1].
        y: labels (n,), integers from 0, below the number of logits.
        attacks: names as on the command line, e.g. ``pgd``, ``foolbox:pgd`` or one's own ``FILE.py:FUNCTION``, which
            runs in this process; a text may hold several, with commas.
        eps: one ε or several, in pixel units, as numbers or texts like ``8/255``; a text may hold several.
        norm: ``linf``, ``l2``, ``l1``, or ``l0``, which counts pixels.
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
    check_module(model)
    data = array_data(dataset, x, y)
    source = DataSource(spec="python", name=dataset)
    check_name(name, "give another name=")
    requests = parse_requests(_texts(attacks), library=library, norm=norm, params=_known(params))
    requests = aimed(requests, data.classes)
    ask = Ask(
        models=(),
        requests=requests,
        data=source,
        eps=_grid(eps),
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
        precision=precision_name(model),
    )
    ready = _looked_at(data, info, deployed(model, "cpu"), requests)
    info = replace(info, folded=is_folded(ready), suspect=kinds(_found(info, ready, data)))
    evaluation = Evaluation(
        setting=make_setting(ask, data),
        models=((ModelSource(kind="python", name=name, target=name, dataset=dataset), info),),
        requests=requests,
        data=data,
        source=source,
        device="cpu",
        command="bench.evaluate(…)",
        loaded=_loaded(source, data, info, ready, model),
    )
    outcome = run_evaluation(evaluation, store or MemoryStore(), InProcess(evaluation.loaded))
    if outcome.failures:
        raise CellError(str(outcome.failures[0]))
    return outcome.results[0]


def _looked_at(data: ArrayData, info: ModelInfo, ready: nn.Module, requests: Sequence[Request]) -> nn.Module:
    """The model, folded if it has an equal, after it was found that it can be measured."""
    first = data.images(0, min(LOOKED_AT, len(data)))
    with one_thread(), seeded(first.device, "probe"):  # the model may draw numbers
        logits = probe(info.name, ready, first, 2, more=True)
        if (largest := int(data.labels.max())) >= logits:
            raise UsageError(
                f"y holds the label {largest}, but model {info.name!r} gives {logits} logits, for the labels 0 to "
                f"{logits - 1}"
            )
        check_gradients(info.name, ready, first, requests)
        return folded_if_equal(ready, first)


def _loaded(source: DataSource, data: ArrayData, info: ModelInfo, ready: nn.Module, raw: nn.Module) -> Loaded:
    loaded = Loaded()
    loaded.keep_data(source, data)
    loaded.keep_model(info.weights, "cpu", ready, raw)
    return loaded


def _found(info: ModelInfo, ready: nn.Module, data: ArrayData) -> tuple[Suspicion, ...]:
    """What the first look finds, which is said on stderr; once for the same weights and images."""
    asked = info.weights, data.sha256
    if asked not in _looks:
        with one_thread(), seeded(data.x.device, "first look"):  # the model may draw numbers
            _looks[asked] = suspicions(info.name, lambda: first_look(ready, data))
    for each in _looks[asked]:
        inside = " on the command line; here it belongs inside the model" if each.option else ""
        note_once(f"{info.name}: {each.sentence}{inside}")
    return _looks[asked]


_looks: dict[tuple[str, str], tuple[Suspicion, ...]] = {}


def _known(params: dict[str, Scalar | np.generic]) -> dict[str, Scalar]:
    known = [*dict.fromkeys(name for spec in ATTACKS.values() for name in spec.params), TARGET]
    for name in params:
        if name not in known:
            raise UsageError(f"unknown attack parameter {name!r}; {nearest(name, known)}")
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in params.items()}


def _texts(given: Sequence[str] | str) -> tuple[str, ...]:
    """The parts of a text with commas, or the texts as they are."""
    if not isinstance(given, str):
        return tuple(given)
    return tuple(part.strip() for part in given.split(",") if part.strip())


def _grid(eps: Sequence[str | float] | np.ndarray | str | float) -> tuple[str | float, ...]:
    if isinstance(eps, str):
        return _texts(eps)
    return (eps,) if np.ndim(eps) == 0 else tuple(eps)  # type: ignore[arg-type, return-value]
