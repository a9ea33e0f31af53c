"""The literal table of attacks, by name and library."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.numbers.eps import NORMS

if TYPE_CHECKING:
    from torch import Tensor

LIBRARIES: tuple[str, ...] = ("torchattacks", "foolbox", "symbench", "art")
OWN = "own"  # the library of a user's own attacks
OWN_CODE = "code"  # the parameter that distinguishes two versions of a user's own attack

Defaults = dict[str, str | int | float | bool | None]
OWN_JUDGED: Defaults = {
    "restarts": 1,
    "best_iterate": False,
}  # parameters of the judge for a user's own attack


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackSpec:
    """One attack of one library.

    Attributes:
        name: what users call it.
        library: the package that runs it.
        threat: ``ball`` (an L_p ball of radius ε cut with the box [0, 1]), ``minimum_norm`` (the box: the
            attack looks for the nearest misclassified image, and one run gives the whole curve) or
            ``spatial`` (rotations and translations, which no ball contains: never projected).
        norms: norms it can search in; empty for spatial attacks.
        iterative: whether it costs more than one gradient. Iterative attacks take only the images that
            still stand; single-step ones always attack every clean-right image.
        params: names of the parameters it takes besides ε, with their defaults. ``alpha`` ``None`` means
            the rule 2.5·ε/steps. ``restarts``, ``targets`` and ``best_iterate`` are the judge's: the
            adapter never sees them.
        targeted: whether each call takes a ``target`` class an image, chosen by the judge.
        aimed: whether it accepts a target class for each image (``--target``).
        seeded: whether the call takes a ``seed``, because the library seeds itself.
        gradients: whether it uses the gradients of the attacked model.
        needs: a package it needs besides its library, an extra of the same name; empty for none.
        about: one line for users.
    """

    name: str
    library: str
    threat: str = "ball"
    norms: tuple[str, ...]
    iterative: bool = True
    params: Defaults
    targeted: bool = False
    aimed: bool = False
    seeded: bool = False
    gradients: bool = True
    needs: str = ""
    about: str

    @property
    def installed(self) -> bool:
        """Whether the package it needs is there."""
        return not self.needs or importlib.util.find_spec(self.needs) is not None


BALLS = ("linf", "l2")
CONVEX = (*BALLS, "l1")
_PGD: Defaults = {"steps": 20, "alpha": None, "random_start": True, "restarts": 1, "best_iterate": False}
_TRANSFER: Defaults = {
    "steps": 10,
    "alpha": None,
    "surrogate": "",
}  # the model itself, if no surrogate is named
_SPATIAL: Defaults = {"rotation": 30.0, "translation": 0.1}

ATTACKS: dict[tuple[str, str], AttackSpec] = {
    (spec.name, spec.library): spec
    for spec in (
        AttackSpec(
            name="fgsm", library="torchattacks", norms=("linf",), iterative=False, params={}, aimed=True,
            about="one step of ε along the gradient's sign (Goodfellow et al. 2015)",
        ),
        AttackSpec(
            name="fgsm", library="foolbox", norms=CONVEX, iterative=False, params={}, aimed=True,
            about="one step of ε along the gradient's sign, or its direction in L2 and L1",
        ),
        AttackSpec(
            name="pgd", library="torchattacks", norms=BALLS, params=_PGD, aimed=True,
            about="projected gradient descent on the cross-entropy (Madry et al. 2018)",
        ),
        AttackSpec(
            name="pgd", library="foolbox", norms=CONVEX, params=_PGD, aimed=True,
            about="projected gradient descent on the cross-entropy (Madry et al. 2018)",
        ),
        AttackSpec(
            name="pgd_t", library="torchattacks", norms=BALLS, params={**_PGD, "targets": 9}, targeted=True,
            about="targeted PGD: the likeliest wrong classes one after another, the best counts",
        ),
        AttackSpec(
            name="pgd_margin", library="foolbox", norms=CONVEX, params=_PGD,
            aimed=True,
            about="PGD on the margin, the label's logit minus the largest other one",
        ),
        AttackSpec(
            name="pgd_dlr", library="foolbox", norms=CONVEX, params=_PGD,
            about="PGD on the scale-free difference of logits ratio (Croce & Hein 2020)",
        ),
        AttackSpec(
            name="slide", library="foolbox", norms=("l1",), params=_PGD,
            aimed=True,
            about="sparse L1 descent: steps along the largest hundredth of the gradient (Tramèr & Boneh 2019)",
        ),
        AttackSpec(
            name="eot_pgd", library="torchattacks", norms=("linf",), params={**_PGD, "eot": 10},
            aimed=True,
            about="PGD on gradients averaged over several passes, for randomised models (Athalye et al. 2018)",
        ),
        AttackSpec(
            name="apgd_ce", library="torchattacks", norms=BALLS, params={"steps": 100, "restarts": 1},
            seeded=True, about="Auto-PGD on the cross-entropy (Croce & Hein 2020)",
        ),
        AttackSpec(
            name="apgd_dlr", library="torchattacks", norms=BALLS, params={"steps": 100, "restarts": 1},
            seeded=True, about="Auto-PGD on the difference of logits ratio; at least 3 classes",
        ),
        AttackSpec(
            name="apgd_t", library="torchattacks", norms=BALLS, params={"steps": 100, "restarts": 1},
            seeded=True, about="targeted Auto-PGD, up to 9 targets; at least 4 classes",
        ),
        AttackSpec(
            name="fab_t", library="torchattacks", norms=CONVEX, params={"steps": 100},
            about="targeted fast adaptive boundary attack, up to 9 targets; not random (Croce & Hein 2020)",
        ),
        AttackSpec(
            name="square", library="torchattacks", norms=BALLS, params={"queries": 5000, "restarts": 1},
            seeded=True, gradients=False, aimed=True,
            about="black box: random squares, no gradients (Andriushchenko et al. 2020)",
        ),
        AttackSpec(
            name="autoattack", library="torchattacks", norms=BALLS, params={"steps": 100}, seeded=True,
            about="standard AutoAttack: APGD-CE, APGD-T, FAB-T and Square, up to 9 targets (Croce & Hein 2020)",
        ),
        AttackSpec(
            name="autoattack_plus", library="torchattacks", norms=BALLS, params={"steps": 100}, seeded=True,
            about="AutoAttack plus: also APGD-DLR and FAB, with five starts (Croce & Hein 2020)",
        ),
        AttackSpec(
            name="autoattack_rand", library="torchattacks", norms=BALLS, params={"steps": 100}, seeded=True,
            about="AutoAttack for models that answer at random: APGD-CE and APGD-DLR on means of 20 gradients",
        ),
        AttackSpec(
            name="autoattack", library="symbench", norms=("l1",), params={"steps": 100},
            about="standard AutoAttack in L1: APGD-CE with 5 starts, APGD-T, FAB-T and Square (Croce & Hein 2021)",
        ),
        AttackSpec(
            name="apgd_t", library="symbench", norms=("l1",), params={"steps": 100, "restarts": 1, "targets": 9},
            targeted=True, about="targeted Auto-PGD in L1; at least 4 classes (Croce & Hein 2021)",
        ),
        AttackSpec(
            name="square", library="symbench", norms=("l1",), params={"queries": 5000, "restarts": 1},
            gradients=False, aimed=True,
            about="black box: random squares in L1, no gradients (Croce & Hein 2021)",
        ),
        AttackSpec(
            name="apgd_ce", library="symbench", norms=("l1",), params={"steps": 100, "restarts": 1},
            aimed=True,
            about="Auto-PGD on the cross-entropy in L1 (Croce & Hein 2021)",
        ),
        AttackSpec(
            name="apgd_dlr", library="symbench", norms=("l1",), params={"steps": 100, "restarts": 1},
            about="Auto-PGD on the difference of logits ratio in L1; at least 3 classes",
        ),
        AttackSpec(
            name="pixle", library="torchattacks", norms=("l0",), params={"queries": 1000, "restarts": 1},
            gradients=False, aimed=True,
            about="black box: copies pixels over others, one after another (Pomponi et al. 2022)",
        ),
        AttackSpec(
            name="noise", library="symbench", norms=CONVEX, params={"queries": 1000}, gradients=False,
            aimed=True,
            about="black box: uniform points of the ball, the best of them counts",
        ),
        AttackSpec(
            name="transfer", library="symbench", norms=BALLS, gradients=False,
            params={"steps": 20, "alpha": None, "random_start": True, "surrogate": "digits/baseline_cnn"},
            aimed=True,
            about="PGD on another model, a DATASET/NAME of the zoo",
        ),
        AttackSpec(
            name="mi_fgsm", library="torchattacks", norms=("linf",), params=_TRANSFER, aimed=True,
            about="PGD with momentum, to transfer (Dong et al. 2018)",
        ),
        AttackSpec(
            name="ni_fgsm", library="torchattacks", norms=("linf",), params=_TRANSFER, aimed=True,
            about="Nesterov momentum, to transfer (Lin et al. 2020)",
        ),
        AttackSpec(
            name="di_fgsm", library="torchattacks", norms=("linf",), params=_TRANSFER, aimed=True,
            about="gradients of randomly shrunk and padded images, to transfer (Xie et al. 2019)",
        ),
        AttackSpec(
            name="ti_fgsm", library="torchattacks", norms=("linf",), params=_TRANSFER, aimed=True,
            about="as di_fgsm, with blurred gradients; three channels (Dong et al. 2019)",
        ),
        AttackSpec(
            name="vmi_fgsm", library="torchattacks", norms=("linf",), params=_TRANSFER, aimed=True,
            about="momentum with variance tuning, to transfer (Wang & He 2021)",
        ),
        AttackSpec(
            name="ddn", library="foolbox", threat="minimum_norm", norms=("l2",), params={"steps": 100},
            aimed=True,
            about="nearest misclassified image in L2 (Rony et al. 2019)",
        ),
        AttackSpec(
            name="fmn", library="foolbox", threat="minimum_norm", norms=NORMS, params={"steps": 100},
            aimed=True,
            about="nearest misclassified image (Pintor et al. 2021)",
        ),
        AttackSpec(
            name="deepfool", library="foolbox", threat="minimum_norm", norms=BALLS, params={"steps": 50},
            about="nearest misclassified image by linearisation (Moosavi-Dezfooli et al. 2016)",
        ),
        AttackSpec(
            name="cw", library="foolbox", threat="minimum_norm", norms=("l2",), params={"steps": 500},
            aimed=True,
            about="nearest misclassified image in L2 by Adam, with nine constants (Carlini & Wagner 2017)",
        ),
        AttackSpec(
            name="cw", library="art", threat="minimum_norm", norms=("linf",), params={"steps": 30},
            aimed=True,
            about="nearest misclassified image in L∞ by Adam under shrinking bounds (Carlini & Wagner 2017)",
        ),
        AttackSpec(
            name="ead", library="foolbox", threat="minimum_norm", norms=("l1",), params={"steps": 500},
            aimed=True,
            about="nearest misclassified image in L1 by elastic nets, with nine constants (Chen et al. 2018)",
        ),
        AttackSpec(
            name="brendel_bethge", library="foolbox", threat="minimum_norm", norms=CONVEX, params={"steps": 1000},
            aimed=True, needs="numba",
            about="nearest misclassified image, along the boundary; needs numba (Brendel & Bethge 2019)",
        ),
        AttackSpec(
            name="boundary", library="foolbox", threat="minimum_norm", norms=("l2",), params={"queries": 5000},
            gradients=False, aimed=True,
            about="black box: classes alone, random steps along the boundary (Brendel et al. 2018)",
        ),
        AttackSpec(
            name="hopskipjump", library="foolbox", threat="minimum_norm", norms=BALLS, params={"queries": 5000},
            gradients=False, aimed=True,
            about="black box: classes alone, gradients estimated from them (Chen et al. 2020)",
        ),
        AttackSpec(
            name="spsa", library="symbench", norms=BALLS, params={"queries": 5000, "restarts": 1},
            gradients=False, aimed=True,
            about="black box: PGD on gradients estimated from logits (Uesato et al. 2018)",
        ),
        AttackSpec(
            name="spatial_grid", library="foolbox", threat="spatial", norms=(), gradients=False,
            params={**_SPATIAL, "rotations": 31, "translations": 5},
            about="worst of a grid of rotations and translations (Engstrom et al. 2019)",
        ),
        AttackSpec(
            name="spatial_random", library="foolbox", threat="spatial", norms=(), gradients=False,
            params={**_SPATIAL, "draws": 10},
            about="worst of random rotations and translations (Engstrom et al. 2019)",
        ),
    )
}  # fmt: skip

# the attacks of the released protocols: they work in a protocol's own input space, so nobody asks for them alone
RELEASED_ATTACKS: dict[tuple[str, str], AttackSpec] = {
    (spec.name, spec.library): spec
    for spec in (
        AttackSpec(
            name="fgsm", library="symbench", norms=("linf",), iterative=False, params={"batch": 128},
            about="one step of ε along the gradient's sign, as the released scripts take it",
        ),
        AttackSpec(
            name="pgd", library="symbench", norms=("linf",),
            params={"alpha": 0.01, "batch": 128, "random_start": False, "restarts": 1, "steps": 40},
            about="projected gradient descent as the released scripts run it",
        ),
    )
}  # fmt: skip


def own_spec(name: str, params: Mapping[str, Any]) -> AttackSpec:
    """The row that a user's own attack would have, from its requested parameters."""
    taken = {key: value for key, value in params.items() if key != "alpha_rule"}
    about = "one's own attack"
    return AttackSpec(name=name, library=OWN, norms=NORMS, params=taken, gradients=False, about=about)


def libraries_of(name: str) -> tuple[str, ...]:
    """The libraries that have an attack, the default one first; empty for an unknown name."""
    return tuple(library for library in LIBRARIES if (name, library) in ATTACKS)


def adapter(name: str, library: str) -> Callable[..., Tensor]:
    """The function that runs an attack: ``(model, x, y, *, norm, eps, **params) -> attacked x``.

    Images are (n, c, h, w) float tensors in [0, 1] on the model's device, labels (n,) int64. The adapter
    never judges its own result and knows nothing of restarts and seeds. A minimum-norm attack takes no
    ``eps``, a spatial one neither ``eps`` nor ``norm``; a targeted one takes ``target``, (n,) int64, and so does one
    that is aimed; one
    that seeds itself takes ``seed``.
    """
    module = importlib.import_module(f"bench.attacks.with_{library}")
    return getattr(module, name)
