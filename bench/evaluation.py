"""An evaluation from end to end: what was asked, what it resolves to, and what came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from bench.ask import Ask
from bench.attacks import RELEASED_REQUESTS, Request
from bench.collect import collect
from bench.corruption_errors import check_baseline
from bench.eps import parse_eps
from bench.errors import UsageError
from bench.executors import Bench, Executor
from bench.images import base_of, checked_n, groups_of
from bench.inspection import Look, inspect_all
from bench.naming import named
from bench.plan import SHARD, Lane, lanes
from bench.preparation import Preparation, check_preparation
from bench.protocols import OWN_SCRIPT, Released, find_protocol, own_script
from bench.released import check_asked, check_network
from bench.results import ModelInfo, Results, Setting
from bench.run import Failure, backend, driver, versions
from bench.sources import DataSource, Images, ModelSource, find_source
from bench.store import Store

DEFAULT_N = 1000
GRIDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("digits", "linf"): ("0.02", "0.05", "0.1", "0.15"),
    ("photographs", "linf"): ("1/255", "2/255", "4/255", "8/255"),
    ("digits", "l2"): ("0.25", "0.5", "1", "1.5"),
    ("photographs", "l2"): ("0.125", "0.25", "0.5", "1"),
}
PAPER_GRID = tuple(f"{i / 100:.2f}" for i in range(1, 16))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Evaluation:
    """An evaluation that can be run: everything that can be refused has been.

    Attributes:
        setting: what all models share.
        models: source and description of each model.
        requests: the attacks.
        data: the images.
        source: where workers load them from.
        device: ``cpu`` or ``cuda``.
        command: for pages.
        bench: what this process has loaded.
        mce_baseline: as in ``Ask``.
    """

    setting: Setting
    models: tuple[tuple[ModelSource, ModelInfo], ...]
    requests: tuple[Request, ...]
    data: Images
    source: DataSource
    device: str
    command: str
    bench: Bench
    mce_baseline: str = ""

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The plan."""
        return lanes(self.setting, [info for _, info in self.models], self.requests)

    def manifest(self) -> dict[str, Any]:
        """What a store keeps so that pages can be drawn again."""
        groups = groups_of(self.data)
        baseline = {"mce_baseline": self.mce_baseline} if self.mce_baseline else {}
        return (
            ({"groups": asdict(groups)} if groups else {})
            | baseline
            | {
                "schema": 1,
                "setting": asdict(self.setting),
                "models": [asdict(info) for _, info in self.models],
                "requests": [asdict(request) for request in self.requests],
                "classes": list(self.data.classes),
                "versions": versions(),
                "command": self.command,
            }
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Outcome:
    """What came out of a run.

    Attributes:
        results: as ``collect`` gives them: the whole grid first.
        failures: cells that failed.
    """

    results: tuple[Results, ...]
    failures: tuple[Failure, ...]


def prepare(ask: Ask) -> Evaluation:
    """Resolves what was asked and looks once at every model.

    Raises:
        UsageError: anything about it cannot be done; nothing has been measured yet.
        zoo.data.DataError, zoo.registry.WeightsError: data or weights are missing or damaged.
    """
    check_device(ask.device)
    return prepare_on(ask, ask.data.load(download=ask.download))


def prepare_each(ask: Ask) -> tuple[Evaluation, ...]:
    """As ``prepare``; where the protocol is ``released``, an evaluation for each protocol the models have."""
    if ask.protocol != OWN_SCRIPT:
        return (prepare(ask),)
    check_device(ask.device)
    data = ask.data.load(download=ask.download)
    corrupted = groups_of(data) is not None
    parts: dict[str, list[str]] = {}
    for model in ask.models:
        parts.setdefault(own_script(model, corrupted=corrupted).name, []).append(model)
    return tuple(
        prepare_on(replace(ask, protocol=protocol, models=tuple(models)), data)
        for protocol, models in parts.items()
    )


def prepare_on(ask: Ask, data: Images) -> Evaluation:
    """As ``prepare``, on images that are already loaded from ``ask.data``."""
    protocol = find_protocol(ask.protocol)
    setting = make_setting(ask, data)
    if isinstance(protocol, Released):
        check_asked(protocol, norm=ask.norm, requests=ask.requests)
    models, bench = open_models(ask, data, setting.n)
    check_baseline(ask.mce_baseline, [info.name for _, info in models], data, setting)
    if isinstance(protocol, Released):
        channels = data.images(0, 1).shape[1]
        for source, info in models:
            bench.ask(
                source, info.weights, ask.device, check_network, info.name, protocol, channels, raw=True
            )
    return Evaluation(
        setting=setting,
        models=models,
        requests=RELEASED_REQUESTS if isinstance(protocol, Released) else ask.requests,
        data=data,
        source=ask.data,
        device=ask.device,
        command=ask.command,
        bench=bench,
        mce_baseline=ask.mce_baseline,
    )


def open_models(ask: Ask, data: Images, n: int) -> tuple[tuple[tuple[ModelSource, ModelInfo], ...], Bench]:
    """The models asked for, each loaded and looked at once on the first of n images; errors as ``prepare``."""
    base, digest = base_of(data)
    asked = (
        find_source(name, dataset=base, weights=ask.weights, weights_from=ask.weights_from)
        for name in ask.models
    )
    sources = named(list(dict.fromkeys(asked)), ask.names)  # baseline_cnn@0 is baseline_cnn
    _check_weights(ask.weights, sources)
    sources = _prepared(sources, ask.preparation, data)
    bench = Bench()
    bench.keep_data(ask.data, data)
    look = Look(
        first=data.images(0, min(SHARD, n)).numpy(),
        source=ask.data,
        classes=len(data.classes),
        data=digest,
        device=ask.device,
        requests=ask.requests,
        suspect=ask.suspect,
    )
    infos = inspect_all(sources, look, bench)
    return tuple(zip(sources, infos, strict=True)), bench


def _prepared(sources: list[ModelSource], preparation: Preparation, data: Images) -> list[ModelSource]:
    if not preparation:
        return sources
    if not any(source.foreign for source in sources):
        raise UsageError(
            "--mean, --std, --scale, --bgr and --classes are for one's own models; the zoo's take images in [0, 1] as "
            "they are"
        )
    check_preparation(preparation, data.images(0, 1).shape[1], len(data.classes))
    return [replace(source, preparation=preparation) if source.foreign else source for source in sources]


def _check_weights(weights: str | None, sources: Sequence[ModelSource]) -> None:
    own = [source.name for source in sources if source.kind != "zoo"]
    if weights is not None and len(own) != 1:
        what = f"{len(own)} of one's own models ({', '.join(own)})" if own else "models of the zoo only"
        raise UsageError(
            f"--weights is a file for one's own model, but {what} were asked for; measure one own model at a "
            "time, and give the zoo other weights with --weights-from"
        )


def make_setting(ask: Ask, data: Images) -> Setting:
    """The setting an ask means on a data set; raises ``UsageError`` for an n or ε that cannot be."""
    n = checked_n(ask.n, data, DEFAULT_N)
    kind = "digits" if base_of(data)[0] == "digits" else "photographs"
    protocol = find_protocol(ask.protocol)
    default = PAPER_GRID if isinstance(protocol, Released) else GRIDS[kind, ask.norm]
    eps = default if ask.eps is None else ask.eps
    grid = parse_eps(PAPER_GRID if tuple(eps) == ("paper",) else eps)
    if isinstance(protocol, Released):
        grid = parse_eps((0.0, *grid))  # what the clamp does by itself
    elif ask.norm == "linf" and (most := grid[-1]) > 1:
        meant = f"; did you mean {most:g}/255?" if most <= 255 else ""
        raise UsageError(f"--eps has {most:g}, which is larger than the whole range of a pixel, 1{meant}")
    return Setting(
        dataset=data.name,
        data=data.sha256,
        n=n,
        norm=ask.norm,
        eps=grid,
        curve="independent" if ask.independent or isinstance(protocol, Released) else "cumulative",
        seed=ask.seed,
        protocol=protocol.label,
        backend=backend(ask.device),
    )


def run_evaluation(
    evaluation: Evaluation,
    store: Store,
    executor: Executor,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Runs what the store lacks and collects what it then holds."""
    (outcome,) = run_each((evaluation,), store, executor, progress)
    return outcome


def run_each(
    evaluations: Sequence[Evaluation],
    store: Store,
    executor: Executor,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Outcome, ...]:
    """As ``run_evaluation``, for several of the same images and device side by side; the first leads pages."""
    for evaluation in reversed(evaluations):
        store.put_run(evaluation.manifest())
    lanes = [lane for evaluation in evaluations for lane in evaluation.lanes]
    failures = driver(evaluations, store, executor, progress).run(lanes)
    return tuple(_outcome(evaluation, store, failures) for evaluation in evaluations)


def _outcome(evaluation: Evaluation, store: Store, failures: Sequence[Failure]) -> Outcome:
    own = tuple(each for each in failures if each.cell.protocol == evaluation.setting.protocol)
    results = collect(
        store,
        evaluation.setting,
        [(info, evaluation.requests) for _, info in evaluation.models],
        classes=evaluation.data.classes,
        versions=versions(),
        command=evaluation.command,
        failed=[str(failure) for failure in own],
    )
    return Outcome(results=results, failures=own)


def check_device(device: str) -> None:
    """Raises ``UsageError`` unless the device is there."""
    kind = device.partition(":")[0]
    if kind not in ("cpu", "cuda"):
        raise UsageError(f"unknown device {device!r}; known: cpu, cuda")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"--device {device}, but torch finds no GPU here; use --device cpu")
