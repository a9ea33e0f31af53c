"""Corruption errors as Hendrycks & Dietterich define them (ICLR 2019, section 4), against a baseline of the store.

For a corruption c and errors E summed over its five severities, CE = Σ E of the model / Σ E of the baseline, and
relative CE = Σ (E − E without corruption) of the model / the same of the baseline. mCE and relative mCE are their
means over the 15 corruptions of the benchmark; the 4 extra ones are not in them. 1 is the baseline's. The published
baseline is AlexNet on ImageNet; small images have none, so it is a model measured on the same images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from bench.engine.lane import Lane
from bench.engine.protocols import released_rules
from bench.engine.store import Store
from bench.errors import UsageError
from bench.inputs.images import groups_of
from bench.inputs.model_info import ModelInfo
from bench.inputs.sources import Images
from bench.leaderboard.columns import Row
from bench.leaderboard.file import Key
from bench.numbers.groups import GroupTable, by_group
from bench.studies.robustness.history import Recorded, chapter_results, chapters
from bench.studies.robustness.plan import clean_cells
from bench.studies.robustness.results import Setting
from zoo.cifar10c import BENCHMARK
from zoo.grouped import Groups

DEFAULT = "baseline_cnn"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CorruptionErrors:
    """One model against a baseline; a value that is not defined is NaN.

    Attributes:
        names: the corruptions, also those that are not in the means.
        ratios: (corruptions,) CE.
        relative: (corruptions,) relative CE; NaN where the baseline loses nothing to the corruption, or where
            the images without corruption were not measured.
        baseline: name of the baseline.
    """

    names: tuple[str, ...]
    ratios: Float64[np.ndarray, " c"]
    relative: Float64[np.ndarray, " c"]
    baseline: str

    @property
    def mce(self) -> float:
        """Mean of CE over the benchmark's corruptions; NaN where one is undefined."""
        return self._mean(self.ratios)

    @property
    def relative_mce(self) -> float:
        """Mean of relative CE over them; NaN where one is undefined."""
        return self._mean(self.relative)

    @property
    def undefined(self) -> tuple[str, ...]:
        """Corruptions of the benchmark without CE: under them the baseline makes no error."""
        return self._without(self.ratios)

    @property
    def undefined_relative(self) -> tuple[str, ...]:
        """Corruptions of the benchmark without relative CE."""
        return self._without(self.relative)

    def _without(self, values: Float64[np.ndarray, " c"]) -> tuple[str, ...]:
        return tuple(
            name
            for name, value in zip(self.names, values, strict=True)
            if name in BENCHMARK and np.isnan(value)
        )

    def _mean(self, values: Float64[np.ndarray, " c"]) -> float:
        return float(values[[self.names.index(name) for name in BENCHMARK]].mean())


def corruption_errors(
    model: GroupTable, baseline: GroupTable, clean: float, baseline_clean: float, name: str
) -> CorruptionErrors:
    """A model's errors against those of a baseline on the same images.

    Args:
        model, baseline: shares of images classified rightly, of the same corruptions.
        clean, baseline_clean: share of the same base images classified rightly without corruption; NaN if unknown.
        name: of the baseline.

    Raises:
        ValueError: the tables are of different corruptions, or lack one of the benchmark's.
    """
    if model.names != baseline.names or not is_whole(model.names):
        raise ValueError(
            f"corruption errors take the {len(BENCHMARK)} corruptions of the benchmark, alike for both"
        )
    errors, base = (1 - model.cells).sum(axis=1), (1 - baseline.cells).sum(axis=1)
    lost = (clean - model.cells).sum(axis=1)
    base_lost = (baseline_clean - baseline.cells).sum(axis=1)
    return CorruptionErrors(
        names=model.names,
        ratios=_over(errors, base),
        relative=_over(lost, base_lost),
        baseline=name,
    )


def _over(top: Float64[np.ndarray, " c"], bottom: Float64[np.ndarray, " c"]) -> Float64[np.ndarray, " c"]:
    """Ratios; NaN where what is divided by is not above zero (its rounding apart)."""
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 1e-9)


def is_whole(names: Sequence[str]) -> bool:
    """Whether corruptions hold all of the benchmark, so that their mean is an mCE."""
    return set(BENCHMARK) <= set(names)


def base_lanes(setting: Setting, groups: Groups, models: Sequence[ModelInfo]) -> tuple[Lane, ...]:
    """What relative errors need besides: the models on the base images, without corruption and attack."""
    base = base_setting(setting, groups)
    cells = [cell for model in models for cell in clean_cells(base, model)] if base else []
    return tuple(Lane(first=cell) for cell in cells)


def base_setting(setting: Setting, groups: Groups) -> Setting | None:
    """The whole base images of a setting; ``None`` where there is no mCE of it or they are not at hand."""
    images = setting.n // groups.block
    if groups.base_sha256 is None or not images or not is_whole(groups.names):
        return None
    return replace(setting, dataset=groups.base, data=groups.base_sha256, n=images)


def find_baseline(names: Sequence[str], wanted: str = "") -> str | None:
    """The baseline among models: the one wanted, else the zoo's ``baseline_cnn``, of whatever width and seed."""
    if wanted:
        return wanted if wanted in names else None
    return min((name for name in names if name.startswith(DEFAULT)), default=None)


def check_baseline(wanted: str, names: Sequence[str], data: Images, setting: Setting) -> None:
    """Raises ``UsageError`` where a baseline was requested and there is no mCE, or it is not among the models."""
    groups = groups_of(data)
    if not wanted:
        return
    if groups is None or not is_whole(groups.names) or setting.n < groups.block:
        raise UsageError(
            f"--mce-baseline is {wanted}, but there is no mCE of {setting.n} images of {setting.dataset}: it takes "
            "whole base images under all corruptions, as those of --dataset corrupted:digits; leave it out"
        )
    if released_rules(setting.protocol) is not None:
        raise UsageError(f"--mce-baseline is {wanted}, but a released protocol has no mCE; leave it out")
    if wanted not in names:
        raise UsageError(
            f"--mce-baseline is {wanted}, which is not among the models of this run ({', '.join(names)}); "
            "name it with --model too"
        )


def chapter_errors(store: Store, chapter: Recorded) -> dict[Key, CorruptionErrors]:
    """The corruption errors of all models that the store holds of a chapter; none where there is no baseline."""
    setting, groups = chapter.setting, chapter.groups
    if groups is None or chapter.released or not is_whole(groups.names) or setting.n < groups.block:
        return {}
    models = {
        model.info: model.clean.correct
        for results in chapter_results(store, chapter)
        for model in results.models
    }
    name = find_baseline([info.name for info in models], chapter.mce_baseline)
    if name is None:
        return {}
    tables = {info: by_group(correct, groups) for info, correct in models.items()}
    clean = {info: _base_share(store, chapter, info) for info in models}
    baseline = next(info for info in models if info.name == name)
    return {
        key_of(info, setting): corruption_errors(table, tables[baseline], clean[info], clean[baseline], name)
        for info, table in tables.items()
    }


def _base_share(store: Store, chapter: Recorded, info: ModelInfo) -> float:
    """Share of the base images classified rightly without corruption; NaN if that was not measured."""
    assert chapter.groups is not None
    setting = base_setting(chapter.setting, chapter.groups)
    stored = [store.get(cell.key, images=False) for cell in clean_cells(setting, info)] if setting else []
    right = [each.result.arrays["standing"] for each in stored if each is not None]
    return float(np.concatenate(right).mean()) if right and len(right) == len(stored) else float("nan")


def key_of(info: ModelInfo, setting: Setting) -> Key:
    """What rows share that are of the same images without attack."""
    return info.weights, setting.data, setting.n, setting.protocol, info.backend(setting.backend)


def errors_of(store: Store, dataset: str) -> dict[Key, Row]:
    """The columns of all corruption errors that a store knows of a data set."""
    found: dict[Key, CorruptionErrors] = {}
    for chapter in reversed(chapters(store, dataset)):  # what was requested last decides
        found |= chapter_errors(store, chapter)
    return {key: _columns(errors) for key, errors in found.items()}


def _columns(errors: CorruptionErrors) -> Row:
    return {
        "mce": _defined(errors.mce),
        "relative_mce": _defined(errors.relative_mce),
        "mce_baseline": errors.baseline,
    }


def _defined(value: float) -> float | None:
    return value if value == value else None
