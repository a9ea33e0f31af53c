"""What was and what was not as in the paper: said on a page before any number."""

from __future__ import annotations

from dataclasses import dataclass

from bench.paper.reproduction import Reproduction

TEXT, SCRIPTS, BOTH, NEITHER = "text", "scripts", "both", "neither"
_TEST_IMAGES = 10_000  # of CIFAR-10 and CIFAR-100


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the setting: the paper's text, the authors' released scripts, and here.

    ``as_in`` says which of the two ours agrees with.
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
        "one trunk for all designs of a depth, only the front differs",
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
        SCRIPTS,
    ),
    Point(
        "Clamp after the attack",
        "not stated",
        "to [0, 1] of the normalised input for Baseline, Parallel and Cascaded, which sets every value below"
        " mid-grey to mid-grey, whatever the attack does; to [−1, 1] for the others",
        "released: as in the scripts. Sound: to the ball and to [0, 1] in pixels, checked for each image",
        SCRIPTS,
    ),
    Point(
        "Batch norm",
        "not stated",
        "batch statistics for R&S, and for the fully equivariant network during the attack; stored ones for"
        " the others",
        "released: as in the scripts; fewer images are fewer batches for the stored statistics to drift over,"
        " two of 128 images here by default against their 79. Sound: stored statistics, unchanged by the attack",
        SCRIPTS,
    ),
    Point(
        "What counts as right",
        "not stated",
        "the class under attack, whether the image was right before or not",
        "released: as in the scripts. Sound: right both clean and attacked",
        SCRIPTS,
    ),
    Point(
        "Attacks",
        "FGSM and PGD; steps and step size are not stated",
        "FGSM of one step; PGD of 40 steps of 0.01 without a random start",
        "released: as in the scripts. Sound: as listed under Provenance",
        SCRIPTS,
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
    counts = {each.setting.n for each in reproduction.results}
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


def _sized(reproduction: Reproduction) -> tuple[Point, ...]:
    sizes = {model.info.parameters for each in reproduction.results for model in each.models}
    trunk, *rest = _MODELS
    here = f"{trunk.here}; {_span(sizes)} parameters" if sizes else trunk.here
    return (Point(trunk.topic, trunk.text, trunk.scripts, here, trunk.as_in), *rest)


def _training(reproduction: Reproduction) -> tuple[Point, ...]:
    return (
        Point(
            "Training",
            "no augmentation is mentioned; optimiser, schedule and epochs are not stated",
            "Adam at 0.001, 200 epochs (fully equivariant: 50), with a schedule for some models; last weights",
            reproduction.training or "the recipe of each model's weights, listed with them",
            NEITHER,
        ),
        Point(
            "Parallel GCNN",
            "without adversarial training",
            "half of each batch FGSM examples; no other model has them",
            "parallel_gcnn is trained on clean images; parallel_gcnn.fgsm_mix is the other, where measured",
            TEXT,
        ),
        Point(
            "Runs",
            "mean and spread over 5 seeds",
            "one run a model, no seed set; Table 1's row Std is nearly the spread over its corruptions",
            "one training run a model; intervals are over images",
            SCRIPTS,
        ),
    )


def _rest(reproduction: Reproduction) -> tuple[Point, ...]:
    official = [each.official for each in reproduction.corrupted]
    here = "not measured here"
    if official:
        kind = "the CIFAR-10-C files" if all(official) else "corruptions made here, which are not CIFAR-10-C"
        names = {name for each in reproduction.corrupted for name in each.groups.names}
        bases = {each.bases for each in reproduction.corrupted}
        here = f"{kind}; {len(names)} corruptions, {_span(bases)} images under each"
    mip = "not measured here"
    if reproduction.mip is not None:
        of = reproduction.mip.setting
        mip = (
            f"{of.n} images, {of.draws} draws each, in steps of 1/{of.grid}; removed values become {of.fill}"
        )
    return (
        Point(
            "CIFAR-10-C",
            "19 corruptions, five severities; the attack is not stated",
            "raw input without normalisation for group networks, normalised input for the baseline",
            f"{here}. Compared under PGD",
            TEXT if official and all(official) else NEITHER,
        ),
        Point(
            "Maximum invariant perturbation",
            "the largest perturbation a model withstands, for two images",
            "share of random pixel values set to 0, one draw an image, in steps of 0.05, with the R&S network",
            mip,
            NEITHER,
        ),
    )


def _span(counts: set[int]) -> str:
    """``256 to 1,000``."""
    lo, hi = min(counts), max(counts)
    return f"{lo:,}" if lo == hi else f"{lo:,} to {hi:,}"
