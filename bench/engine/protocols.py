"""The meaning of the numbers: units of ε, input space, clamp, batch-norm mode, and when an image counts as broken.

Every cell and every row carries the name of its protocol; rows of different protocols are never ranked
together. ``sound`` is ours. The released ones copy, rule by rule, how the scripts published with "Bridging
Symmetry and Robustness" (arXiv 2510.16171) evaluate a model; scripts with the same evaluation are one.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.errors import UsageError, nearest
from zoo import entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Rules of an evaluation.

    Attributes:
        name: what rows show.
        version: raised whenever the rules, or the code that applies them, change the numbers.
        summary: the rules in words, for reports.
    """

    name: str
    version: int
    summary: str

    @property
    def label(self) -> str:
        """Name and version, as stored in cells."""
        return f"{self.name}/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged(Protocol):
    """A protocol whose attacked images the judge checks again.

    Attributes:
        accepted_linf: deviation from the ball or the box that counts as rounding, L∞, in pixel units.
        accepted_relative: the same for L2 and L1, as a share of ε; pixels of L0 are counted exactly.
        projected: deviation up to which an image is projected and judged again; beyond it the cell fails.
    """

    accepted_linf: float
    accepted_relative: float
    projected: float

    def accepted(self, norm: str, eps: float) -> float:
        """The deviation from a ball of radius ε that counts as rounding."""
        return {"linf": self.accepted_linf, "l0": 0.0}.get(norm, self.accepted_relative * eps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Released(Protocol):
    """The evaluation of one or more released scripts, in the input space z = (x − mean) / std.

    ε, the step size and the clamp are in units of z; x are pixels in [0, 1].

    Attributes:
        scripts: names of the scripts that evaluate so; the first is the protocol's own.
        mean, std: of the normalisation, by channel.
        low, high: range that attacked images are clamped to.
        attack_training: whether batch norm is in training mode during the attack.
        predict_training: whether it is when the attacked images are classified.
        raw: whether the network gets z instead of the output of its own normalisation layer.
    """

    scripts: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    low: float
    high: float
    attack_training: bool
    predict_training: bool
    raw: bool = False


SOUND = Judged(
    name="sound",
    version=1,
    accepted_linf=1e-6,
    accepted_relative=1e-5,
    projected=1e-4,
    summary=(
        "Images lie in [0, 1] and ε is in pixel units; normalisation is the model's first layer; the model "
        "is in eval mode and unchanged by the attack. An attacked image counts only if it is verified to lie "
        "inside the ball and the box; an image is robust only if it is classified correctly both clean "
        "and attacked, with finite logits. PGD accuracy is an upper bound on robust accuracy."
    ),
)

_SHARED = (
    "FGSM is one step of ε, PGD 40 steps of 0.01 without random start, in batches of 128 in a fixed order. "
    "Every image counts by its class under attack, also one that is wrong when clean; no image is verified, and "
    "the clamp may move pixels farther than ε. ε = 0 is the clamp alone."
)
_HALF = (0.5,)

_ALL: tuple[Protocol, ...] = (
    SOUND,
    Released(
        name="released:baseline_cnn",
        version=1,
        scripts=("baseline_cnn", "parallel_gcnn", "cascaded_gcnn", "cifar10c_baseline_cnn"),
        mean=_HALF, std=_HALF, low=0.0, high=1.0, attack_training=False, predict_training=False,
        summary=(
            "The evaluation of the released scripts for Baseline, Parallel and Cascaded (CIFAR-10, CIFAR-100) "
            "and Baseline (CIFAR-10-C). Input normalised to [−1, 1], ε in those units, half of it in pixels; "
            "attacked images clamped to [0, 1] of them, which turns all that is darker than mid-grey into "
            "mid-grey; batch norm in eval mode. " + _SHARED
        ),
    ),
    Released(
        name="released:parallel_gcnn_rs",
        version=1,
        scripts=("parallel_gcnn_rs",),
        mean=_HALF, std=_HALF, low=-1.0, high=1.0, attack_training=True, predict_training=True,
        summary=(
            "The evaluation of the released script for Parallel (R&S) (CIFAR-10, CIFAR-100). Input normalised "
            "to [−1, 1], ε in those units, half of it in pixels; attacked images clamped to that range; batch "
            "norm in training mode during attack and prediction, so that the class of an image depends on its "
            "batch. " + _SHARED
        ),
    ),
    Released(
        name="released:weighted_gcnn_rs",
        version=1,
        scripts=("weighted_gcnn_rs",),
        mean=_HALF, std=_HALF, low=-1.0, high=1.0, attack_training=False, predict_training=False,
        summary=(
            "The evaluation of the released script for Weighted (CIFAR-10, CIFAR-100). Input normalised to "
            "[−1, 1], ε in those units, half of it in pixels; attacked images clamped to that range; batch "
            "norm in eval mode. " + _SHARED
        ),
    ),
    Released(
        name="released:equivariant_gcnn",
        version=1,
        scripts=("equivariant_gcnn",),
        mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010), low=-1.0, high=1.0,
        attack_training=True, predict_training=False,
        summary=(
            "The evaluation of the released script for the fully equivariant network (CIFAR-10). Input "
            "normalised by CIFAR-10's mean and deviation, ε in those units, about a fifth of it in pixels; "
            "attacked images clamped to [−1, 1] of them, though pixels reach from −2.4 to 2.8; batch norm in "
            "training mode during the attack, which moves its running statistics, and in eval mode with these "
            "at prediction. " + _SHARED
        ),
    ),
    Released(
        name="released:cifar10c_gcnn",
        version=1,
        scripts=(
            "cifar10c_gcnn", "cifar10c_parallel_gcnn", "cifar10c_parallel_gcnn_rs",
            "cifar10c_cascaded_gcnn", "cifar10c_weighted_gcnn_rs",
        ),
        mean=(0.0,), std=(1.0,), low=0.0, high=1.0, attack_training=False, predict_training=False, raw=True,
        summary=(
            "The evaluation of the released scripts for the four GCNNs on CIFAR-10-C. Raw input: the network "
            "sees pixels in [0, 1] in place of what its normalisation layer would give; ε in pixels; attacked "
            "images clamped to [0, 1]; batch norm in eval mode. " + _SHARED
        ),
    ),
)  # fmt: skip

PROTOCOLS: dict[str, Protocol] = {each.name: each for each in _ALL}
JUDGED: dict[str, Judged] = {each.name: each for each in _ALL if isinstance(each, Judged)}
RELEASED: dict[str, Released] = {each.name: each for each in _ALL if isinstance(each, Released)}
OWN_SCRIPT = "released"  # asks for the script of each model's own architecture
_BY_SCRIPT = {script: each for each in RELEASED.values() for script in each.scripts}

# the models whose scripts were published, by data set: none of four layers, none adversarially trained by PGD, no
# Scale-only arm of Figure 6; the Parallel script evaluates what it trains, a network with FGSM examples
_COMPARED = (
    "baseline_cnn", "parallel_gcnn", "parallel_gcnn.fgsm_mix", "parallel_gcnn_rs", "cascaded_gcnn",
    "weighted_gcnn_rs",
)  # fmt: skip
WITH_SCRIPT = {
    "cifar10": frozenset((*_COMPARED, "equivariant_gcnn")),
    "cifar100": frozenset(_COMPARED),
    "cifar10c": frozenset(_COMPARED),
}


def released_rules(label: str) -> Released | None:
    """The rules of a protocol by its name or its label in cells; ``None`` if it is not a released one."""
    return RELEASED.get(label.partition("/")[0])


def find_protocol(name: str) -> Protocol:
    """The protocol a user names: ``sound``, or ``released:`` with the name of a script.

    Raises:
        UsageError: there is no such protocol, or the name stands for several.
    """
    kind, colon, script = name.partition(":")
    if kind == OWN_SCRIPT and colon and script in _BY_SCRIPT:
        return _BY_SCRIPT[script]
    if name in JUDGED:
        return JUDGED[name]
    if name == OWN_SCRIPT:
        raise UsageError(f"protocol 'released' differs by model; name one: {', '.join(RELEASED)}")
    known = [SOUND.name, OWN_SCRIPT, *(f"{OWN_SCRIPT}:{script}" for script in _BY_SCRIPT)]
    raise UsageError(f"unknown protocol {name!r}; {nearest(name, known)}")


def own_script(model: str, *, corrupted: bool = False) -> Released:
    """The evaluation of the script released for a model's architecture; depth and recipe do not matter.

    Where ``has_script`` says that none was, it is that of ``borrowed``.

    Args:
        model: name of a model of the zoo.
        corrupted: whether images are corrupted: then the script for CIFAR-10-C is the one.

    Raises:
        UsageError: the model is not of the zoo.
    """
    script = borrowed(model)
    on_corrupted = f"cifar10c_{script}"
    return _BY_SCRIPT[on_corrupted if corrupted and on_corrupted in _BY_SCRIPT else script]


def borrowed(model: str) -> str:
    """The model whose script evaluates this one: its architecture with ten layers.

    ``parallel_gcnn_scale`` takes that of the network it is a part of, ``parallel_gcnn_rs``.

    Raises:
        UsageError: the model is not of the zoo.
    """
    try:
        architecture = entries.parsed(model).architecture
    except entries.UnknownModel:
        raise UsageError(
            f"no script was released for model {model!r}; name a protocol: {', '.join(RELEASED)}"
        ) from None
    return "parallel_gcnn_rs" if architecture == "parallel_gcnn_scale" else architecture


def has_script(model: str, dataset: str) -> bool:
    """Whether a script was published for a model, whatever its seed, on one of the paper's data sets."""
    return model.partition("@")[0] in WITH_SCRIPT[dataset]
