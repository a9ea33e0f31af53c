"""Requests for attacks over a grid of ε: prepared, run and collected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from bench.attacks import RELEASED_REQUESTS, Request
from bench.attacks.budget import within_budget
from bench.attacks.request import aimed
from bench.engine.driver import Failure, backend, driver, versions
from bench.engine.executors import Executor
from bench.engine.lane import Lane
from bench.engine.loaded import Loaded
from bench.engine.protocols import OWN_SCRIPT, Released, find_protocol, own_script
from bench.engine.shards import BATCH
from bench.engine.store import Store
from bench.errors import UsageError
from bench.inputs.images import base_of, checked_n, groups_of
from bench.inputs.model_info import ModelInfo
from bench.inputs.sources import DataSource, Images, ModelSource
from bench.numbers.eps import parse_eps
from bench.studies.released import check_asked, check_network
from bench.studies.robustness.collect import collect
from bench.studies.robustness.corruption_errors import check_baseline
from bench.studies.robustness.plan import lanes
from bench.studies.robustness.results import Results, Setting
from bench.studies.shared.ask import Ask
from bench.studies.shared.batch import chosen_batch, with_batch
from bench.studies.shared.models import open_models
from bench.studies.shared.where import check_device

DEFAULT_N = 1000
GRIDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("digits", "linf"): ("0.02", "0.05", "0.1", "0.15"),
    ("photographs", "linf"): ("1/255", "2/255", "4/255", "8/255"),
    ("digits", "l2"): ("0.25", "0.5", "1", "1.5"),
    ("photographs", "l2"): ("0.125", "0.25", "0.5", "1"),
    ("digits", "l1"): ("1", "2", "4", "8"),
    ("photographs", "l1"): ("3", "6", "12", "24"),
    ("digits", "l0"): ("1", "2", "4", "8"),
    ("photographs", "l0"): ("1", "4", "12", "24"),
}
PAPER_GRID = tuple(f"{i / 100:.2f}" for i in range(1, 16))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Evaluation:
    """An evaluation that can be run: all checks have passed.

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
    loaded: Loaded
    mce_baseline: str = ""

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The plan."""
        return lanes(self.setting, [info for _, info in self.models], self.requests)

    def manifest(self) -> dict[str, Any]:
        """The record in a store, from which pages can be drawn again."""
        groups = groups_of(self.data)
        baseline = {"mce_baseline": self.mce_baseline} if self.mce_baseline else {}
        return (
            ({"groups": asdict(groups)} if groups else {})
            | baseline
            | {
                "schema": 1,
                "setting": asdict(self.setting),
                "models": [asdict(info) for _, info in self.models],
                "requests": [request.stored() for request in self.requests],
                "classes": list(self.data.classes),
                "versions": versions(),
                "command": self.command,
            }
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Finished:
    """The result of a run.

    Attributes:
        results: as ``collect`` gives them: the whole grid first.
        failures: cells that failed.
    """

    results: tuple[Results, ...]
    failures: tuple[Failure, ...]


def prepare(ask: Ask) -> Evaluation:
    """Resolves the request and checks every model once.

    Raises:
        UsageError: any part of it cannot be done; nothing has been measured yet.
        zoo.data.DataError, zoo.registry.WeightsError: data or weights are missing or damaged.
    """
    check_device(ask.device)
    return prepare_on(ask, ask.data.load(download=ask.download))


def prepare_each(ask: Ask) -> tuple[Evaluation, ...]:
    """Like ``prepare``; where the protocol is ``released``, an evaluation for each protocol the models have."""
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


def prepare_on(ask: Ask, data: Images, loaded: Loaded | None = None) -> Evaluation:
    """Like ``prepare``, on images that are already loaded from ``ask.data``, with models that are in ``loaded``."""
    protocol = find_protocol(ask.protocol)
    setting = make_setting(ask, data)
    requests = within_budget(aimed(ask.requests, data.classes), len(data.classes))
    ask = replace(ask, requests=requests)
    if isinstance(protocol, Released):
        check_asked(protocol, norm=ask.norm, requests=ask.requests, batch=ask.batch)
    models, loaded = open_models(ask, data, setting.n, loaded)
    if not isinstance(protocol, Released):
        setting = replace(setting, batch=chosen_batch(ask, data, setting.n, models, loaded))
    check_baseline(ask.mce_baseline, [info.name for _, info in models], data, setting)
    if isinstance(protocol, Released):
        channels = data.images(0, 1).shape[1]
        for source, info in models:
            loaded.ask(
                source, info.weights, ask.device, check_network, info.name, protocol, channels, raw=True
            )
    return Evaluation(
        setting=setting,
        models=models,
        requests=RELEASED_REQUESTS if isinstance(protocol, Released) else ask.requests,
        data=data,
        source=ask.data,
        device=ask.device,
        command=with_batch(ask.command, ask, setting.batch),
        loaded=loaded,
        mce_baseline=ask.mce_baseline,
    )


def make_setting(ask: Ask, data: Images) -> Setting:
    """The setting of a request on a data set; raises ``UsageError`` for an invalid n or ε."""
    n = checked_n(ask.n, data, DEFAULT_N)
    kind = "digits" if base_of(data)[0] == "digits" else "photographs"
    protocol = find_protocol(ask.protocol)
    default = PAPER_GRID if isinstance(protocol, Released) else GRIDS[kind, ask.norm]
    eps = default if ask.eps is None else ask.eps
    grid = parse_eps(PAPER_GRID if tuple(eps) == ("paper",) else eps)
    if isinstance(protocol, Released):
        grid = parse_eps((0.0, *grid))  # the effect of the clamp by itself
    elif ask.norm == "linf" and (most := grid[-1]) > 1:
        meant = f"; did you mean {most:g}/255?" if most <= 255 else ""
        raise UsageError(f"--eps has {most:g}, which is larger than the whole range of a pixel, 1{meant}")
    elif ask.norm == "l0" and (parts := [eps for eps in grid if eps != int(eps)]):
        raise UsageError(f"--eps has {parts[0]:g}, but in norm l0 ε counts pixels; give a whole number")
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
        batch=ask.batch or BATCH,
    )


def run_evaluation(
    evaluation: Evaluation,
    store: Store,
    executor: Executor,
    progress: Callable[[int, int], None] | None = None,
) -> Finished:
    """Runs the cells that the store lacks and collects the results."""
    (outcome,) = run_each((evaluation,), store, executor, progress)
    return outcome


def run_each(
    evaluations: Sequence[Evaluation],
    store: Store,
    executor: Executor,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Finished, ...]:
    """Like ``run_evaluation``, for several of the same images and device side by side; the first leads pages."""
    for evaluation in reversed(evaluations):
        store.put_run(evaluation.manifest())
    lanes = [lane for evaluation in evaluations for lane in evaluation.lanes]
    failures = driver(evaluations, store, executor, progress).run(lanes)
    return tuple(outcome_of(evaluation, store, failures) for evaluation in evaluations)


def outcome_of(evaluation: Evaluation, store: Store, failures: Sequence[Failure]) -> Finished:
    """The stored results of an evaluation, with those of ``failures`` that are its own."""
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
    return Finished(results=results, failures=own)
