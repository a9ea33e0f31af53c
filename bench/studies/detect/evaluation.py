"""Requests for detection, and what a store holds of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.engine.driver import backend
from bench.engine.protocols import SOUND
from bench.engine.result import CellResult
from bench.engine.store import Store
from bench.errors import UsageError
from bench.inputs.model_info import ModelInfo
from bench.numbers.eps import images_kind, parse_eps
from bench.studies.detect import attack
from bench.studies.detect.cells import DetectSetting, detect_cells
from bench.studies.detect.results import Answers, AtEps, DetectResult, DetectResults
from bench.studies.shared.ask import Ask
from bench.studies.shared.collect import collecting, digest, whole
from bench.studies.shared.evaluation import PreparedCells, images_of, looking_seconds, opened

DEFAULT_N = 200
LEAST, MOST = 20, 500  # images of the calibration
EPS = {"digits": (0.05, 0.1), "photographs": (2 / 255, 8 / 255)}
LOOKS = 3  # forward passes that a gradient takes as long as
ATTACKS = ("clean", "plain", "adaptive")

DetectEvaluation = PreparedCells[DetectSetting]


def prepare_detection(
    ask: Ask,
    *,
    eps: str | None = None,
    steps: int = 50,
    calibration: int | None = None,
    false_positives: float = 0.05,
) -> DetectEvaluation:
    """Resolves the request and checks every model once.

    Args:
        ask: models, data, n and seed; its attacks are ignored.
        eps: radii with commas between; ``None`` for those of such images.
        steps, calibration, false_positives: as in ``DetectSetting``.

    Raises:
        UsageError: any part of it cannot be done; nothing has been measured yet.
    """
    if steps < 1:
        raise UsageError(f"--steps is {steps}; it must be at least 1")
    if not 0 < false_positives < 1:
        raise UsageError(f"--false-positives is {false_positives}; it must lie between 0 and 1")
    data, _ = images_of(ask, DEFAULT_N)
    n = ask.n or max(1, min(DEFAULT_N, len(data) // 2))
    setting = DetectSetting(
        dataset=data.name,
        data=data.sha256,
        n=n,
        calibration=_calibration(calibration, n, len(data)),
        radii=EPS[images_kind(data.images(0, 1).shape[1:])] if eps is None else parse_eps(eps.split(",")),
        steps=steps,
        false_positives=false_positives,
        seed=ask.seed,
        protocol=SOUND.label,
        backend=backend(ask.device),
    )
    return opened(ask, data, setting, detect_cells)


def _calibration(asked: int | None, n: int, total: int) -> int:
    found = min(MOST, total - n) if asked is None else asked
    if not LEAST <= found <= total - n:
        raise UsageError(
            f"{max(found, 0)} images are to make the detector of, but {total - n} are left after the first {n}, and "
            f"it takes at least {LEAST}: use a smaller --n or another --calibration"
        )
    return found


def read_setting(fields: Mapping[str, Any]) -> DetectSetting:
    """The setting of the fields that a run keeps."""
    return DetectSetting(**{**fields, "radii": tuple(fields["radii"])})


def expected_seconds(evaluation: DetectEvaluation, store: Store) -> float:
    """Seconds of one worker that the missing cells take, from one look of each model now."""
    setting = evaluation.setting
    looks = attack.GRADIENTS * setting.steps * LOOKS
    return looking_seconds(evaluation, store, lambda _: looks, together=min(100, setting.n))


def _result(store: Store, setting: DetectSetting, model: ModelInfo) -> DetectResult | None:
    found = whole(store, detect_cells(setting, model))
    if not found:
        return None
    radii: list[AtEps] = []
    for eps, each in zip(setting.radii, found, strict=True):
        radii.append(_at(eps, each, radii[-1] if radii else None))
    return DetectResult(
        info=model,
        radii=tuple(radii),
        seconds=sum(each.seconds for each in found),
        digest=digest(found),
    )


def _at(eps: float, found: CellResult, smaller: AtEps | None) -> AtEps:
    def answers(name: str) -> Answers:
        wrong, flagged, score = (found.arrays[f"{name}_{part}"] for part in ("wrong", "flagged", "score"))
        return Answers(wrong=wrong, flagged=flagged, score=score.astype(float))

    return AtEps(eps=eps, **{name: answers(name) for name in ATTACKS}, smaller=smaller)


collect_detection = collecting(_result, DetectResults)
