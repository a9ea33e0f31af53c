"""Measures a user's own model from Python."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from bench.attacks import ATTACKS, parse_requests
from bench.attacks.budget import within_budget
from bench.attacks.gradient_free import check_gradients, listed
from bench.attacks.request import BUDGET, TARGET, aimed
from bench.engine.cell import Scalar
from bench.engine.executors import Executor, InProcess
from bench.engine.handed import Handed, HandedModel
from bench.engine.loaded import Loaded, one_thread
from bench.engine.seeding import seeded
from bench.engine.store import MemoryStore, Store
from bench.errors import CellError, UsageError, nearest
from bench.inputs.first_look import Suspicion, first_look
from bench.inputs.foreign import folded_if_equal, is_folded
from bench.inputs.given import given_images
from bench.inputs.model_info import ModelInfo
from bench.inputs.naming import check_name
from bench.inputs.own_code import code_digest
from bench.inputs.own_models import check_module, state_digest
from bench.inputs.probe import probe
from bench.inputs.sources import DataSource, Images, ModelSource, deployed, precision_name
from bench.inputs.switches import left_alone
from bench.studies.robustness.evaluation import Evaluation, make_setting, run_evaluation
from bench.studies.robustness.results import Results
from bench.studies.shared.ask import Ask
from bench.studies.shared.batch import chosen_batch, fitting_workers
from bench.studies.shared.inspection import kinds, suspicions
from bench.studies.shared.models import LOOKED_AT
from bench.studies.shared.where import check_device
from zoo.notes import note_once


@left_alone()
def evaluate(
    model: nn.Module,
    x: Tensor | np.ndarray | Dataset[Any] | DataLoader[Any] | Images,
    y: Tensor | np.ndarray | Sequence[int] | None = None,
    attacks: Sequence[str] | str = ("fgsm", "pgd"),
    eps: Sequence[str | float] | np.ndarray | str | float = "8/255",
    *,
    norm: str = "linf",
    name: str = "model",
    dataset: str | None = None,
    library: str | None = None,
    seed: int = 0,
    independent: bool = False,
    device: str | torch.device | None = None,
    workers: int = 1,
    batch: int | None = None,
    store: Store | None = None,
    **params: Scalar | np.generic,
) -> Results:
    """Measures a model on images exactly as ``bench run`` does.

    Args:
        model: classifier of (n, c, h, w) images in [0, 1] that returns logits (n, classes); its
            normalisation belongs inside it. A copy is measured; the model itself stays as it is. One in float64
            is given float64.
        x: images (n, c, h, w), float in [0, 1]; or what has labels of its own: a torch ``Dataset`` or ``DataLoader``
            of images (c, h, w), which are read again for each cell and never kept as a whole, or a data set of
            ``zoo.data``. Of a loader that shuffles, the order is that of this call. All of them are measured, in the
            order given; ``bench run --n`` takes the first of an order in which every class keeps its share.
        y: labels (n,), integers from 0, below the number of logits.
        attacks: names as on the command line, e.g. ``pgd``, ``foolbox:pgd`` or one's own ``FILE.py:FUNCTION``, which
            runs in this process; a text may hold several, with commas.
        eps: one ε or several, in pixel units, as numbers or texts like ``8/255``; a text may hold several.
        norm: ``linf``, ``l2``, ``l1``, or ``l0``, which counts pixels.
        name, dataset: names in rows; of the data set its own, or else ``data``.
        library: library of the attacks that name none, where it has them; default: the first that does.
        seed: of the random starts.
        independent: measure every ε anew instead of carrying broken images forward.
        device: where it is measured, e.g. ``cuda``; default: where the model lies.
        workers: processes with one thread each on a CPU; 1 is this process. No number changes.
        batch: images that go through the model together; default: 100, on a GPU as many as its memory has room for.
        store: where results are kept; by default they last as long as the returned value.
        **params: parameters of the attacks as ``bench list attacks`` shows them, e.g. ``steps=50``.

    Returns:
        Results. A notebook shows them as a table; ``results.to_frame()`` is the table of pandas, ``results.plot()``
        draws the curves. ``bench.leaderboard_rows(results)`` makes leaderboard rows of them, and
        ``results.models[0].worst().mean(axis=1)`` is the robust accuracy at each ε.

    Raises:
        UsageError: the model or an argument cannot be measured.
        CellError: an attack failed.
    """
    check_module(model)
    place = str(device or _device_of(model))
    check_device(place)
    for option, number in (("workers", workers), ("batch", batch or 1)):
        if number < 1:
            raise UsageError(f"{option} is {number}; it is a whole number of at least 1")
    data = given_images(dataset, x, y)
    source = DataSource(spec="python", name=data.name)
    check_name(name, "give another name=")
    requests = parse_requests(_texts(attacks), library=library, norm=norm, params=_known(params))
    requests = within_budget(aimed(requests, data.classes), len(data.classes))
    ask = Ask(
        models=(),
        requests=requests,
        data=source,
        eps=_grid(eps),
        n=len(data),
        batch=batch,
        norm=norm,
        seed=seed,
        independent=independent,
        device=place,
        command="bench.evaluate(…)",
    )
    info = ModelInfo(
        name=name,
        weights=hashlib.sha256(f"{state_digest(model)} {code_digest(model)}".encode()).hexdigest(),
        trained_on="unknown",
        parameters=sum(p.numel() for p in model.parameters()),
        origin="python",
        precision=precision_name(model),
    )
    ready = _looked_at(data, info, deployed(model, place), ask)
    info = replace(info, folded=is_folded(ready), suspect=kinds(_found(info, ready, data, place)))
    loaded = _loaded(source, data, info, ready, model, place)
    models = ((ModelSource(kind="python", name=name, target=name, dataset=data.name), info),)
    size = chosen_batch(ask, data, len(data), models, loaded)
    evaluation = Evaluation(
        setting=replace(make_setting(ask, data), batch=size),
        models=models,
        requests=requests,
        data=data,
        source=source,
        device=place,
        command=ask.command,
        loaded=loaded,
    )
    executor = _executor(evaluation, model, workers)
    try:
        outcome = run_evaluation(evaluation, store or MemoryStore(), executor)
    finally:
        executor.close()
    if outcome.failures:
        raise CellError(str(outcome.failures[0]))
    return outcome.results[0]


def _device_of(model: nn.Module) -> torch.device:
    """Where the model lies; the CPU if it holds nothing."""
    places = {value.device for value in itertools.chain(model.parameters(), model.buffers())}
    if len(places) > 1:
        raise UsageError(
            f"the model lies on {listed(sorted(map(str, places)), 'and')}; give device= to measure it on one"
        )
    return next(iter(places), torch.device("cpu"))


def _executor(evaluation: Evaluation, model: nn.Module, workers: int) -> Executor:
    """This process, or worker processes on a CPU."""
    if workers > 1 and evaluation.device != "cpu":
        note_once(f"workers is {workers}, but on a GPU cells run one after another, in one process")
    workers = fitting_workers(workers, evaluation.loaded) if workers > 1 else 1
    if workers == 1 or evaluation.device != "cpu":
        return InProcess(evaluation.loaded)
    ((_, info),) = evaluation.models
    given = HandedModel(
        weights=info.weights,
        model=model,
        folded=info.folded,
        source=evaluation.source,
        data=evaluation.data,
    )
    return Handed(given, workers)


def _looked_at(data: Images, info: ModelInfo, ready: nn.Module, ask: Ask) -> nn.Module:
    """The checked model, folded if it has a folded equal."""
    first = data.images(0, min(LOOKED_AT, ask.batch or LOOKED_AT, len(data))).to(ask.device)
    with one_thread(), seeded(first.device, "probe"):  # the model may draw random numbers
        logits = probe(info.name, ready, first, 2, more=True)
        if (largest := int(data.labels.max())) >= logits:
            raise UsageError(
                f"y holds the label {largest}, but model {info.name!r} gives {logits} logits, for the labels 0 to "
                f"{logits - 1}"
            )
        check_gradients(info.name, ready, first, ask.requests)
        return folded_if_equal(ready, first)


def _loaded(
    source: DataSource, data: Images, info: ModelInfo, ready: nn.Module, raw: nn.Module, device: str
) -> Loaded:
    loaded = Loaded()
    loaded.keep_data(source, data)
    loaded.keep_model(info.weights, device, ready, raw)
    return loaded


def _found(info: ModelInfo, ready: nn.Module, data: Images, device: str) -> tuple[Suspicion, ...]:
    """The first look's findings, printed on stderr; made once for the same weights and images."""
    asked = info.weights, data.sha256
    if asked not in _looks:
        with one_thread(), seeded(torch.device(device), "first look"):  # the model may draw random numbers
            _looks[asked] = suspicions(info.name, lambda: first_look(ready, data, device))
    for each in _looks[asked]:
        inside = " on the command line; here it belongs inside the model" if each.option else ""
        note_once(f"{info.name}: {each.sentence}{inside}")
    return _looks[asked]


_looks: dict[tuple[str, str], tuple[Suspicion, ...]] = {}


def _known(params: dict[str, Scalar | np.generic]) -> dict[str, Scalar]:
    known = [*dict.fromkeys(name for spec in ATTACKS.values() for name in spec.params), TARGET, BUDGET]
    for name in params:
        if name == "audit":
            raise UsageError(
                "bench.evaluate makes no audit; audits run from the command line: bench audit --model FILE.py:FUNCTION"
            )
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
