"""Models on two axes, spatial and adversarial, by recipe: the input of the page."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float64

from bench.inputs.model_info import ModelInfo
from bench.numbers.eps import eps_text
from bench.numbers.stats import Share, Spread, mean_of_draws, over_seeds
from bench.studies.robustness.results import Setting
from bench.studies.tradeoff.front import on_front

WIDE, NARROW = 180.0, 30.0  # degrees of the plane's two spatial axes
_NEAR = 1e-9  # ε and degrees are equal up to this
ATTACK_NAMES = {"autoattack": "AutoAttack", "pgd": "PGD"}
FRONT_NAMES = {"autoattack10": "AutoAttack and PGD", "autoattack": "AutoAttack and PGD", "pgd": "PGD"}


@dataclass(frozen=True, slots=True)
class Axis:
    """One kind of accuracy.

    Attributes:
        of: ``clean``, ``rotation`` (random, uniform in ±``at``), ``pgd``, or ``front``: what neither PGD nor the
            attack of the front breaks at the largest ε.
        at: degrees, or ε in pixel units; 0 for the others.
    """

    of: str
    at: float = 0.0


CLEAN, FRONT = Axis("clean"), Axis("front")
SPATIAL, NEARBY = Axis("rotation", WIDE), Axis("rotation", NARROW)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Replica:
    """One trained network.

    Attributes:
        info: the model.
        clean: (n,) bool, right when clean.
        turned: which draws of each image are right, by largest angle.
        standing: right when clean and unbroken by PGD, by ε.
        front: the same under the attack of the front alone, at the largest ε, of the first images; ``None`` where
            it was not measured.
        images, epochs: it was trained on and for; ``None`` where that is not known.
    """

    info: ModelInfo
    clean: Bool[np.ndarray, " n"]
    turned: Bool[np.ndarray, "t n draws"]
    standing: Bool[np.ndarray, "e n"]
    front: Bool[np.ndarray, " m"] | None
    images: int | None = None
    epochs: int | None = None

    @property
    def seed(self) -> int:
        """Of training; 0 of a model that is not of the zoo."""
        return int(self.info.name.partition("@")[2] or 0) if self.info.origin == "zoo" else 0

    @property
    def design(self) -> str:
        """The name, of the zoo's models without the seed."""
        return design_of(self.info.name) if self.info.origin == "zoo" else self.info.name


@dataclass(frozen=True, slots=True)
class ModelGroup:
    """The replicas of one architecture and recipe, by seed; equal to another of the same networks."""

    name: str
    replicas: tuple[Replica, ...]

    @property
    def zoo(self) -> bool:
        """Whether the name is one of the zoo's, made of an architecture and a recipe."""
        return self.replicas[0].info.origin == "zoo"

    @property
    def architecture(self) -> str:
        """As in ``baseline_cnn``; of a model that is not of the zoo its name."""
        return self.name.partition(".")[0] if self.zoo else self.name

    @property
    def recipe(self) -> str:
        """As in ``rotate60``; of a model that is not of the zoo nothing is known."""
        return (self.name.partition(".")[2] or "standard") if self.zoo else ""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the training runs."""
        return tuple(replica.seed for replica in self.replicas)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Tradeoff:
    """One run.

    Attributes:
        setting: of PGD: data, n and the ε grid.
        rotations: largest angles in degrees, ascending.
        draws: random rotations of an image at each.
        interpolation, fill: of the rotation, see ``zoo.spatial``.
        attack: of the front, at the largest ε: ``autoattack10`` or ``autoattack``, which count together with PGD,
            or ``pgd`` alone.
        front_n: images of that attack, the first ones.
        front_steps: its steps; ``None`` where it is not known, and for ``pgd`` alone.
        replicas: the trained networks, in the order of the request.
        best: networks of the epoch that was best on held-out images, which stand beside those of the last.
        missing: models without weights, each with the command that trains it.
        attacks: what was run, in words, by name.
        command: the command that made this page.
        versions: package name → version of what computed it.
        failed: names of cells that failed, with the reason.
    """

    setting: Setting
    rotations: tuple[float, ...]
    draws: int
    interpolation: str
    fill: str
    attack: str
    front_n: int
    replicas: tuple[Replica, ...]
    command: str
    best: tuple[Replica, ...] = ()
    front_steps: int | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    attacks: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    failed: tuple[str, ...] = ()

    @property
    def largest(self) -> Axis:
        """PGD at the largest ε of the grid: the adversarial axis."""
        return Axis("pgd", self.setting.eps[-1])

    @property
    def front_name(self) -> str:
        """The attacks of the front, AutoAttack with its steps, which its name does not say."""
        name = FRONT_NAMES[self.attack]
        return (
            name.replace("AutoAttack", f"AutoAttack ({self.front_steps} steps)") if self.front_steps else name
        )

    @property
    def groups(self) -> tuple[ModelGroup, ...]:
        """The replicas by design."""
        return _grouped(self.replicas)

    @property
    def architectures(self) -> tuple[str, ...]:
        """Of the zoo's models, those without weights too, each once."""
        names = [group.architecture for group in self.groups if group.zoo]
        return tuple(dict.fromkeys([*names, *(design_of(name).partition(".")[0] for name in self.missing)]))

    def group(
        self, architecture: str, recipe: str, seeds: Collection[int] | None = None
    ) -> ModelGroup | None:
        """The replicas of a recipe, on request of these seeds alone; ``None`` where none was measured."""
        name = model_name(architecture, recipe)
        found = next((group for group in self.groups if group.zoo and group.name == name), None)
        if found is None or seeds is None:
            return found
        chosen = tuple(replica for replica in found.replicas if replica.seed in seeds)
        return ModelGroup(name, chosen) if chosen else None

    def outcomes(self, replica: Replica, axis: Axis) -> Bool[np.ndarray, "n d"] | None:
        """Whether each image is right, by draw: one draw except for rotations; ``None`` if not measured."""
        if axis.of == "clean":
            return replica.clean[:, None]
        if axis.of == "front":
            if replica.front is None:
                return None
            return (replica.front & replica.standing[-1, : len(replica.front)])[:, None]
        if axis.of == "rotation":
            return next(
                (
                    found
                    for at, found in zip(self.rotations, replica.turned, strict=True)
                    if _near(at, axis.at)
                ),
                None,
            )
        rows = zip(self.setting.eps, replica.standing, strict=True)
        return next((found[:, None] for at, found in rows if _near(at, axis.at)), None)

    def stacked(self, replicas: Sequence[Replica], axis: Axis) -> Bool[np.ndarray, "s n d"] | None:
        """The outcomes of several replicas; ``None`` where one was not measured."""
        rows = [self.outcomes(replica, axis) for replica in replicas]
        found = [row for row in rows if row is not None]
        return np.stack(found) if found and len(found) == len(rows) else None

    def share(self, group: ModelGroup, axis: Axis, *, given_clean: bool = False) -> Share | None:
        """Accuracy in the mean over seeds and draws, with its interval over images.

        Args:
            group: of these models.
            axis: of this kind.
            given_clean: only over the images that every replica has right when clean.

        Returns:
            ``None`` if it was not measured, or no image is left.
        """
        found = self.stacked(group.replicas, axis)
        if found is None:
            return None
        by_image = np.concatenate(list(found), axis=1)  # a training run counts as a draw
        if given_clean:
            by_image = by_image[np.all([replica.clean for replica in group.replicas], axis=0)]
        return mean_of_draws(by_image) if len(by_image) else None

    def spread(self, group: ModelGroup, axis: Axis) -> Spread | None:
        """The accuracies of the training runs: mean and sample standard deviation."""
        found = self.stacked(group.replicas, axis)
        return None if found is None else over_seeds(found.mean(axis=(1, 2)))

    def one(self, replica: Replica, axis: Axis) -> float:
        """The accuracy of a single network; NaN where it was not measured."""
        found = self.outcomes(replica, axis)
        return float("nan") if found is None else float(found.mean())

    def value(self, group: ModelGroup, axis: Axis) -> float:
        """The accuracy alone; NaN where it was not measured."""
        share = self.share(group, axis)
        return float("nan") if share is None else share.value

    def plane(self, groups: Sequence[ModelGroup], x: Axis, y: Axis) -> Float64[np.ndarray, "m 2"]:
        """The groups as points (x, y); NaN where one was not measured."""
        return np.array([[self.value(g, x), self.value(g, y)] for g in groups]).reshape(-1, 2)

    def front(self, x: Axis = SPATIAL) -> tuple[ModelGroup, ...]:
        """The groups on the Pareto front of an axis and the front's attacks."""
        groups = [each for each in self.groups if self.share(each, x) and self.share(each, FRONT)]
        chosen = on_front(self.plane(groups, x, FRONT))
        return tuple(group for group, on in zip(groups, chosen, strict=True) if on)

    def words(self, axis: Axis) -> str:
        """An axis as a page states it."""
        if axis.of == "clean":
            return "clean accuracy"
        if axis.of == "rotation":
            return f"accuracy under random rotation ±{axis.at:g}°"
        if axis.of == "front":
            return f"accuracy under {self.front_name} at ε {eps_text(self.setting.eps[-1])}"
        return f"accuracy under PGD at ε {eps_text(axis.at)}"


def model_name(architecture: str, recipe: str) -> str:
    """The zoo's name of an architecture trained by a recipe."""
    return architecture if recipe == "standard" else f"{architecture}.{recipe}"


def design_of(name: str) -> str:
    """A name of the zoo without the training seed."""
    return name.partition("@")[0]


def _near(a: float, b: float) -> bool:
    return abs(a - b) < _NEAR


def _grouped(replicas: Sequence[Replica]) -> tuple[ModelGroup, ...]:
    found: dict[tuple[str, str], list[Replica]] = {}
    for replica in replicas:
        found.setdefault((replica.info.origin, replica.design), []).append(replica)
    return tuple(
        ModelGroup(name, tuple(sorted(each, key=lambda replica: replica.seed)))
        for (_, name), each in found.items()
    )
