"""Measured cells joined into results, the input of tables, figures and pages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64

from bench.attacks import Request
from bench.engine.shards import BATCH
from bench.inputs.model_info import ModelInfo
from bench.studies.robustness.shown import Shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The values that two results must share to be compared.

    Attributes:
        dataset, data: name and sha256 of the evaluation split.
        n: the first n images of its fixed order were measured.
        norm, eps: the ball; the ε grid ascends, in pixel units.
        curve: ``cumulative`` (an image broken at a smaller ε stays broken) or ``independent``.
        seed, protocol, backend: as in the cells.
        batch: images of a shard, which go through the model together; a released protocol has its own.
    """

    dataset: str
    data: str
    n: int
    norm: str
    eps: tuple[float, ...]
    curve: str
    seed: int
    protocol: str
    backend: str
    batch: int = BATCH


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Clean:
    """A model on the unattacked images; every array is (n,).

    Attributes:
        label, predicted: int64 classes.
        correct: right and with finite logits.
        margin: logit of the label minus the largest other one.
        loss: cross-entropy in nats.
        grad_norm: L1 norm of the loss's gradient by the image; 0 means it vanished.
        nonfinite: whether a logit was NaN or infinite.
        seconds: time the cells took.
        digest: sha256 over the cells' results.
        split: smallest number of images measured together for lack of memory; ``None`` if no cell was split.
    """

    label: Int64[np.ndarray, " n"]
    predicted: Int64[np.ndarray, " n"]
    correct: Bool[np.ndarray, " n"]
    margin: Float[np.ndarray, " n"]
    loss: Float[np.ndarray, " n"]
    grad_norm: Float64[np.ndarray, " n"]
    nonfinite: Bool[np.ndarray, " n"]
    seconds: float
    digest: str
    split: int | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Curve:
    """One model under one attack over the ε grid of a setting; arrays are (number of ε, n).

    The one run of a minimum-norm attack fills every row: an image is right at ε if no misclassified version was found
    within ε. A spatial attack has a single row that belongs to no ε.

    Attributes:
        request: the attack and its parameters.
        library: the library with its version.
        standing: bool, right when clean and unbroken at this ε (and, if cumulative, at all smaller ones).
        attacked: bool, whether this cell attacked the image (it had not been broken before).
        distance: float64, size of the perturbation in the setting's norm; NaN where not attacked, where a
            minimum-norm attack found nothing, and for spatial attacks.
        predicted: int64, class under attack; -1 where not attacked.
        nonfinite, projected: bool, notes of the judge.
        silent: bool, an earlier iterate broke the image though the last one did not.
        gradients: gradient evaluations by ε, one an image and pass; a minimum-norm attack's are those of
            its one run.
        seconds: time the cells took, by ε.
        digest: sha256 over the cells' results, by ε.
        trace_passes: passes an image, of a run with a budget of them; ``None`` for other runs.
        trace: (number of ε, n, passes) the smallest distance at which an image was broken by then, infinite where it
            was not.
        split: smallest number of images measured together for lack of memory at any ε; ``None`` if no cell was split.
    """

    request: Request
    library: str
    standing: Bool[np.ndarray, "e n"]
    attacked: Bool[np.ndarray, "e n"]
    distance: Float64[np.ndarray, "e n"]
    predicted: Int64[np.ndarray, "e n"]
    nonfinite: Bool[np.ndarray, "e n"]
    projected: Bool[np.ndarray, "e n"]
    silent: Bool[np.ndarray, "e n"]
    gradients: tuple[int, ...]
    seconds: tuple[float, ...]
    digest: tuple[str, ...]
    trace_passes: Float64[np.ndarray, " passes"] | None = None
    trace: Float32[np.ndarray, "e n passes"] | None = None
    split: int | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Sample:
    """One image for the gallery: image arrays are (c, h, w) float32 in [0, 1]."""

    index: int
    label: int
    clean_predicted: int
    predicted: int
    eps: float
    attack: str
    distance: float
    clean: Float32[np.ndarray, "c h w"]
    attacked: Float32[np.ndarray, "c h w"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Elsewhere:
    """A curve that another run measured of the same weights on the same images (see ``balls``)."""

    setting: Setting
    curve: Curve


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ModelResult:
    """Everything measured of one model in one setting.

    Attributes:
        info: the model.
        clean: without attack.
        curves: attacks over the ε grid, which may be joined and ranked.
        samples: for the gallery.
        spatial: spatial attacks, each a curve of one row.
        elsewhere: curves of other runs in the same balls; empty if not collected.
    """

    info: ModelInfo
    clean: Clean
    curves: tuple[Curve, ...]
    samples: tuple[Sample, ...]
    spatial: tuple[Curve, ...] = ()
    elsewhere: tuple[Elsewhere, ...] = ()

    @property
    def attack_set(self) -> tuple[Request, ...]:
        """The attacks of this result; only results with the same ones are ranked together."""
        return tuple(sorted((c.request for c in self.curves), key=repr))

    @property
    def single_step(self) -> bool:
        """Whether all attacks that count for its numbers take one step."""
        attacks = (*self.curves, *(each.curve for each in self.elsewhere))
        return bool(attacks) and not any(each.request.spec.iterative for each in attacks)

    def worst(self) -> Bool[np.ndarray, "e n"]:
        """(number of ε, n) bool: images that stand against every attack of ``curves``."""
        return np.logical_and.reduce([curve.standing for curve in self.curves])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True, repr=False)
class Results(Shown):
    """All models measured in one setting; a notebook shows them as a table.

    Attributes:
        setting: what they share.
        classes: names of the classes.
        models: results in the order they were requested.
        versions: package name → version of what computed them.
        command: the command that made them, with paths as ``$DATA``.
        failed: names of cells that failed, with the reason.
    """

    setting: Setting
    classes: tuple[str, ...]
    models: tuple[ModelResult, ...]
    versions: dict[str, str]
    command: str
    failed: tuple[str, ...] = ()
