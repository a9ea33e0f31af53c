"""The requests of a store's runs, as results for pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bench.attacks import Request
from bench.engine.protocols import released_rules
from bench.engine.store import Store, read_runs
from bench.inputs.model_info import ModelInfo
from bench.studies.robustness.collect import collect
from bench.studies.robustness.results import ModelResult, Results, Setting
from bench.studies.shared.commands import joined_commands
from zoo.grouped import Groups


@dataclass(slots=True)
class Recorded:
    """All requests in one setting.

    Attributes:
        setting: what its results share.
        asked: the requested attacks, by model.
        classes, versions: of the newest run.
        runs: the command of each run and what it measured, the newest first.
        groups: which corruption each image is; ``None`` for images that are not corrupted.
        mce_baseline: model that corruption errors are divided by, of the newest run that named one.
    """

    setting: Setting
    asked: dict[ModelInfo, dict[Request, None]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    runs: list[tuple[str, list[tuple[ModelInfo, Request]]]] = field(default_factory=list)
    groups: Groups | None = None
    mce_baseline: str = ""

    @property
    def released(self) -> bool:
        """Whether a released protocol was requested: then these are not robust accuracies."""
        return released_rules(self.setting.protocol) is not None

    def add(self, run: Mapping[str, Any]) -> None:
        """Adds one more run of this setting."""
        requests = [_request(fields) for fields in run["requests"]]
        infos = [ModelInfo(**fields) for fields in run["models"]]
        self.runs.insert(0, (str(run["command"]), [(info, each) for info in infos for each in requests]))
        for info in infos:
            self.asked.pop(replace(info, folded=not info.folded), None)  # measured differently before
            self.asked.setdefault(info, {}).update(dict.fromkeys(requests))
        self.classes = tuple(run["classes"])
        self.versions = dict(run["versions"])
        self.mce_baseline = run.get("mce_baseline", self.mce_baseline)
        groups = run.get("groups")
        self.groups = groups and Groups(**{**groups, "names": tuple(groups["names"])})


def chapters(store: Store, dataset: str | None = None) -> list[Recorded]:
    """The settings a store has runs of, the newest first.

    Args:
        store: where the runs are.
        dataset: only settings on this data set.
    """
    found: dict[Setting, Recorded] = {}
    for setting, run in read_runs(store, "attacks", lambda run: (chapter_of(run).setting, run)):
        if dataset in (None, setting.dataset):
            chapter = found.pop(setting, None) or Recorded(setting)
            chapter.add(run)
            found[setting] = chapter
    return list(reversed(found.values()))


def chapter_of(run: Mapping[str, Any]) -> Recorded:
    """The request of one run, from its manifest."""
    chapter = Recorded(_setting(run["setting"]))
    chapter.add(run)
    return chapter


def chapter_results(store: Store, chapter: Recorded, failed: Sequence[str] = ()) -> tuple[Results, ...]:
    """The stored results of a chapter: the models whose whole ε grid is there, then the others."""
    return collect(
        store,
        chapter.setting,
        [(info, tuple(requests)) for info, requests in chapter.asked.items()],
        classes=chapter.classes,
        versions=chapter.versions,
        command=joined_commands(chapter.runs),
        failed=failed,
    )


def page_results(
    store: Store, chapter: Recorded, failed: Sequence[str] = ()
) -> tuple[Results, tuple[Results, ...]]:
    """A chapter's results for a page: those under its common attacks, and separate ones.

    The models are compared under the attacks that most of them have in common. If a model has further attacks, its full
    results are separate, so that an extra attack on one model never removes it from the ranking.
    """
    whole, *partial = chapter_results(store, chapter, failed)
    common = _common_attacks(whole.models)
    main = tuple(_restricted(model, common) for model in whole.models)
    apart = tuple(
        m for m in whole.models if set(m.attack_set) - set(common) and set(common) <= set(m.attack_set)
    )
    extra = (replace(whole, models=apart, failed=()),) if apart else ()
    return replace(whole, models=main), (*extra, *partial)


def runs_beside(store: Store, found: Sequence[Results]) -> list[Results]:
    """The results of other runs of the same weights on the same images, in any sound setting of the same norm.

    Results in ``found`` are not read again.
    """
    known = {
        (results.setting, model.info.weights, curve.request)
        for results in found
        for model in results.models
        for curve in model.curves
    }
    alike = {
        (*_images(results.setting), model.info.weights)
        for results in found
        if released_rules(results.setting.protocol) is None
        for model in results.models
    }
    beside: list[Results] = []
    for chapter in chapters(store):
        asked: dict[ModelInfo, dict[Request, None]] = {}
        for info, requests in chapter.asked.items():
            new = [each for each in requests if (chapter.setting, info.weights, each) not in known]
            if new and (*_images(chapter.setting), info.weights) in alike:
                asked[info] = dict.fromkeys(new)
        if asked:
            beside += chapter_results(store, replace(chapter, asked=asked))
    return beside


def _images(setting: Setting) -> tuple[str, int, str, str]:
    return setting.data, setting.n, setting.norm, setting.protocol


def _common_attacks(models: Iterable[ModelResult]) -> tuple[Request, ...]:
    counts = Counter(model.attack_set for model in models if model.attack_set)
    return max(counts, key=lambda attacks: (counts[attacks], len(attacks)), default=())


def _restricted(model: ModelResult, attacks: Sequence[Request]) -> ModelResult:
    if not set(attacks) <= set(model.attack_set):
        return model
    curves = tuple(curve for curve in model.curves if curve.request in attacks)
    return replace(model, curves=curves)


def _setting(fields: Mapping[str, Any]) -> Setting:
    return Setting(**{**fields, "eps": tuple(fields["eps"])})


def _request(fields: Mapping[str, Any]) -> Request:
    return Request(**{**fields, "params": tuple((name, value) for name, value in fields["params"])})
