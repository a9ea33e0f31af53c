"""Agreements and differences with the paper's setting, which a page says before any number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from bench.studies.paper.reproduction import COLUMNS, Reproduction
from bench.studies.paper.sections import AS_RELEASED, SECTIONS, needed

TEXT, SCRIPTS, BOTH, NEITHER = "text", "scripts", "both", "neither"
SPLIT = "released: scripts; sound: neither"
_TEST_IMAGES = 10_000  # of CIFAR-10 and CIFAR-100


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the setting: the paper's text, the authors' released scripts, and here.

    ``as_in`` says which of the two ours agrees with, separately for released and sound if they differ.
    """

    topic: str
    text: str
    scripts: str
    here: str
    as_in: str


_MODELS = (
    Point(
        "Trunk and width",
        "4 or 10 layers; widths are not stated",
        "widths, poolings and heads differ from model to model; 1.8 to 4.7 million parameters",
        "one trunk for all designs of a depth; only the front differs",
        NEITHER,
    ),
    Point(
        "Rotation group",
        "p4, the quarter turns",
        "C4, but C8 in R&S and in the fully equivariant network",
        "p4 throughout",
        TEXT,
    ),
    Point(
        "Cascaded GCNN",
        "standard, rotation, then scale (App. C.4)",
        "standard, then rotation; no scale stage",
        "standard, rotation, then scale",
        TEXT,
    ),
    Point(
        "Weighted GCNN",
        "three branches, learned weights",
        "two branches; no scale branch",
        "three branches, learned weights",
        TEXT,
    ),
    Point(
        "Scale branch",
        "one convolution shared over resized copies",
        "a convolution of its own at each of three scales",
        "one convolution shared over three scales",
        TEXT,
    ),
    Point(
        "Fully equivariant network",
        "every convolution over the group",
        "the head does not pool over orientations, so logits change when the image is turned",
        "maximum over the group before the head, so logits do not change under quarter turns",
        TEXT,
    ),
)
_EVALUATION = (
    Point(
        "Size of ε",
        "numbers only",
        "in units of the normalised input: half as large in pixels for the models of Figure 2, about a fifth"
        " for the fully equivariant network; in pixels for group networks on CIFAR-10-C",
        "released: as in the scripts. Sound: the same number taken in pixels, images in [0, 1], which is up to"
        " five times the perturbation",
        SPLIT,
    ),
    Point(
        "Clamp after the attack",
        "not stated",
        "to [0, 1] of the normalised input for Baseline, Parallel and Cascaded, which sets every value below"
        " mid-grey to mid-grey, whatever the attack does; to [−1, 1] for the others",
        "released: as in the scripts. Sound: to the ball and to [0, 1] in pixels, checked for each image",
        SPLIT,
    ),
    Point(
        "Batch norm",
        "not stated",
        "batch statistics for R&S, and for the fully equivariant network during the attack; stored ones for"
        " the others",
        "released: as in the scripts; the stored statistics drift over fewer batches, by default two of 128 images here"
        " against their 79. Sound: stored statistics, unchanged by the attack",
        SPLIT,
    ),
    Point(
        "What counts as right",
        "not stated",
        "the class under attack, whether the image was right before or not",
        "released: as in the scripts. Sound: right both clean and attacked",
        SPLIT,
    ),
    Point(
        "Attacks",
        "FGSM and PGD; steps and step size are not stated",
        "FGSM of one step; PGD of 40 steps of 0.01 without a random start",
        "released: as in the scripts. Sound: as listed under Provenance",
        SPLIT,
    ),
    Point(
        "Models without a script",
        "results of 4-layer networks, of CNN + AT, of the ablation's Scale arm, and of the fully equivariant"
        " network on CIFAR-100",
        "none for any of these",
        "released: a 4-layer network is under the script of its 10-layer namesake, CNN + AT under the baseline's,"
        " the Scale arm under that of R&S, the fully equivariant network on CIFAR-100 under its own of CIFAR-10."
        " Their numbers are labelled so and decide no claim. Sound: as all others",
        NEITHER,
    ),
)


def points(reproduction: Reproduction) -> tuple[Point, ...]:
    """The setting point by point: data, models, training, evaluation."""
    return (
        _data(reproduction),
        *_sized(reproduction),
        *_training(reproduction),
        *_EVALUATION,
        *_rest(reproduction),
    )


def _data(reproduction: Reproduction) -> Point:
    counts = {
        each.setting.n
        for column in COLUMNS
        for name, each in reproduction.column(column).items()
        if name in _compared()
    }
    images = f"the first {_span(counts)} test images of " if counts else ""
    here = {
        "same": "the data set itself",
        "copy": "a copy whose pixels differ from the original files",
        "other": "a data set the paper does not use: no difference to its numbers is computed",
    }[reproduction.relation]
    whole = reproduction.relation == "same" and counts == {_TEST_IMAGES}
    note = f". {reproduction.data_note}" if reproduction.data_note else ""
    return Point(
        "Data",
        "CIFAR-10, CIFAR-100 and CIFAR-10-C",
        "the full test sets",
        f"{images}{reproduction.dataset}, {here}{note}",
        BOTH if whole else NEITHER,
    )


@cache
def _compared() -> frozenset[str]:
    """Models that stand beside numbers of the paper; the figure of all scripts has more, on fewer images."""
    return frozenset(name for section in SECTIONS for name in needed(section).measured)


def _sized(reproduction: Reproduction) -> tuple[Point, ...]:
    sizes = {model.info.parameters for each in reproduction.results for model in each.models}
    trunk, *rest = _MODELS
    here = f"{trunk.here}; {_span(sizes)} parameters" if sizes else trunk.here
    return (Point(trunk.topic, trunk.text, trunk.scripts, here, trunk.as_in), *rest)


def _training(reproduction: Reproduction) -> tuple[Point, ...]:
    replicas = {name for column in COLUMNS for name in reproduction.trainings(column)}
    return (
        Point(
            "Training",
            "no augmentation is mentioned; epochs are not stated",
            "200 epochs in batches of 128 (fully equivariant: 50, of 64); last weights",
            reproduction.training or "the recipe of each model's weights, listed with them",
            NEITHER,
        ),
        Point(
            "Optimiser and learning rate",
            "not stated",
            "Adam at 0.001, no weight decay; a tenth of the rate every 50 epochs for Parallel, Cascaded and Weighted,"
            " constant for the others",
            "AdamW, weight decay 0.05 on filters; the rate rises to 0.01 over a fifth of the steps and falls to zero as"
            " a cosine (docs/recipes.md)",
            NEITHER,
        ),
        Point(
            "Adversarial training (CNN + AT)",
            "PGD-based; its ε, steps, epochs and the units of ε are not stated",
            "none published",
            "baseline_cnn.pgd_at: on photographs ten steps of 2/255 in a ball of 8/255, in pixels, from a random start;"
            " for only 15 epochs by default",
            NEITHER,
        ),
        Point(
            "Parallel GCNN",
            "without adversarial training",
            "half of each batch are FGSM examples, ε 0.01 of the normalised input, 0.005 in pixels; no other model is"
            " trained on them",
            f"parallel_gcnn is trained on clean images; {_fgsm_mix(reproduction)}",
            TEXT,
        ),
        Point(
            "Runs",
            "mean and spread over 5 seeds",
            "one run per model, no seed set; Table 1's row Std is nearly the spread over its corruptions",
            "one training run per model"
            + (f", but several of {', '.join(sorted(replicas))}" if replicas else "")
            + "; intervals are over images",
            SCRIPTS,
        ),
    )


def _fgsm_mix(reproduction: Reproduction) -> str:
    """The model shown beside Parallel, or a note that it is not."""
    name = AS_RELEASED["parallel_gcnn"]
    if any(name in reproduction.column(column) for column in COLUMNS):
        return f"{name}, trained as the script does, is shown beside it"
    return f"{name}, trained as the script does, is not measured here"


def _rest(reproduction: Reproduction) -> tuple[Point, ...]:
    here = "not measured here"
    if reproduction.corrupted:
        bases = {each.bases for each in reproduction.corrupted}
        here = f"{reproduction.corrupted_called}; {_span(bases)} images under each"
        if reproduction.made_here:
            here += ". These are not CIFAR-10-C, of which no number was measured"
    mip = "not measured here"
    if reproduction.mip is not None:
        of = reproduction.mip.setting
        mip = (
            f"{of.n} images, {of.draws} draws each, in steps of 1/{of.grid}; removed values become {of.fill} in pixels;"
            " images that are misclassified before removal are left out"
        )
    whole = bool(reproduction.corrupted) and all(each.whole for each in reproduction.corrupted)
    return (
        Point(
            "CIFAR-10-C",
            "19 corruptions, five severities; the attack is not stated",
            "raw input without normalisation for group networks, normalised input for the baseline",
            f"{here}. Compared under PGD",
            "released: both; sound: text" if whole else NEITHER,
        ),
        Point(
            "Maximum invariant perturbation",
            "the largest perturbation a model withstands, for two images, Parallel GCNN against the baseline",
            "share of random pixel values set to 0, one draw a rate, in steps of 0.05 from 0.1, with the R&S network."
            " Its input is not normalised, so 0 means mid-grey; an image that is wrong from the start scores 0.05",
            mip,
            NEITHER,
        ),
    )


def _span(counts: set[int]) -> str:
    """``256 to 1,000``."""
    lo, hi = min(counts), max(counts)
    return f"{lo:,}" if lo == hi else f"{lo:,} to {hi:,}"
