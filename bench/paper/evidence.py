"""The tests of a claim carried out on what one protocol has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from bench.paper.claim import Claim, Test
from bench.paper.claims import CIFAR10C
from bench.paper.contrast import Part, level, paired
from bench.paper.reproduction import Corrupted, Measured, Reproduction, eps_index
from zoo.grouped import SEVERITIES

ATTACKS = {"clean": "clean", "fgsm": "FGSM", "pgd": "PGD"}


class Evidence:
    """What one column of a reproduction, as in ``Reproduction.column``, has for a test."""

    def __init__(self, reproduction: Reproduction, column: str) -> None:
        self._reproduction = reproduction
        self._column = column
        self._models = reproduction.column(column)
        self._corrupted = reproduction.corrupted_column(column)

    def part(self, test: Test) -> Part | str:
        """The test carried out or, where something it needs was not measured, what that is."""
        if test.of == "corrupted":
            return self._on_corrupted(test)
        if test.of == "mip":
            return self._on_mip(test)
        return self._on_images(test)

    def about(self, test: Test, claim: Claim) -> bool:
        """Whether the images a test is carried out on are those the claim is about."""
        if not claim.data:
            return True
        if test.of == "corrupted":
            return CIFAR10C in claim.data and all(each.official for each, _ in self._corrupted.values())
        return self._reproduction.relation != "other" and self._reproduction.beside in claim.data

    def _on_images(self, test: Test) -> Part | str:
        names = [name for name in (test.a, test.b) if name]
        found = [self._models[name] for name in names if name in self._models]
        lacking = [name for name in names if name not in self._models]
        grid = [eps for eps in test.eps if all(_measured(model, test.of, eps) for model in found)]
        if lacking or not grid:
            return f"{' and '.join(lacking or names)} ({ATTACKS[test.of]})"
        label = f"{' − '.join(names)}, {ATTACKS[test.of]}"
        scores = [_standing(model, test.of, grid) for model in found]
        if not test.b:
            return level(label, scores[0], bound=test.bound)
        n = min(each.shape[1] for each in scores)  # the first n of one fixed order
        a, b = (each[:, :n] for each in scores)
        return paired(label, a, b, bound=test.bound, sign=test.sign, every=test.every)

    def _on_corrupted(self, test: Test) -> Part | str:
        names = (test.a, test.b)
        found = [self._corrupted[name] for name in names if name in self._corrupted]
        lacking = [name for name in names if name not in self._corrupted]
        grid = [eps for eps in test.eps if all(m.at("pgd", eps) is not None for _, m in found)]
        if lacking or not grid:
            return f"{' and '.join(lacking or names)} (PGD on corrupted images)"
        (a, most), (b, _) = (by_base(images, measured, grid) for images, measured in found)
        n = min(a.shape[1], b.shape[1])
        if not n:
            return "a base image under every corruption and severity"
        label = f"{test.a} − {test.b}, PGD on corrupted images"
        return paired(label, a[:, :n], b[:, :n], most=most, sign=test.sign, every=test.every)

    def _on_mip(self, test: Test) -> Part | str:
        if self._column != "sound":
            return "the script's own removal of one random draw, which is not repeated"
        mip = self._reproduction.mip
        models = {model.info.name: model for model in mip.models} if mip else {}
        lacking = [name for name in (test.a, test.b) if name not in models]
        if lacking:
            return f"{' and '.join(lacking)} (maximum invariant perturbation)"
        pair = (models[test.a], models[test.b])
        both = pair[0].right & pair[1].right
        if not both.any():
            return "an image that both models have right (maximum invariant perturbation)"
        a, b = (model.steps[both].sum(1)[None] for model in pair)
        most = pair[0].grid * pair[0].steps.shape[1]
        return paired(f"{test.a} − {test.b}, share of pixel values", a, b, most=most, sign=test.sign)


def by_base(
    images: Corrupted, measured: Measured, grid: Sequence[float]
) -> tuple[Int64[np.ndarray, "corruptions bases"], int]:
    """At how many severities and ε of the grid each base image stands, and how many there are.

    A base image not all of whose versions were measured is left out.
    """
    rows = [measured.at("pgd", eps) for eps in grid]
    stands = np.stack([row for row in rows if row is not None]).sum(0, dtype=np.int64)
    whole = stands[: images.bases * images.groups.block]
    shape = (images.bases, len(images.groups.names), SEVERITIES)
    return whole.reshape(shape).sum(2).T, SEVERITIES * len(rows)


def _measured(model: Measured, of: str, eps: float) -> bool:
    return of == "clean" or model.at(of, eps) is not None


def _standing(model: Measured, of: str, grid: Sequence[float]) -> Int64[np.ndarray, "c n"]:
    """(conditions, n): 1 where an image stands."""
    if of == "clean":
        return model.result.clean.correct[None].astype(np.int64)
    curve = model.curve(of)
    assert curve is not None
    rows = [eps_index(model.setting.eps, eps) for eps in grid]
    return np.stack([curve.standing[row] for row in rows]).astype(np.int64)
