"""Carries out the tests of a claim on the results of one protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int64

from bench.engine.protocols import borrowed, has_script
from bench.numbers.contrast import Part, level, paired
from bench.studies.paper.claim import PaperClaim, Test
from bench.studies.paper.claims import CIFAR10C
from bench.studies.paper.reproduction import Corrupted, MeasuredModel, Reproduction, eps_index
from bench.studies.paper.sections import DATASETS
from zoo.grouped import SEVERITIES

ATTACKS = {"clean": "clean", "fgsm": "FGSM", "pgd": "PGD"}


class Evidence:
    """The results of one column of a reproduction (see ``Reproduction.column``), for tests."""

    def __init__(self, reproduction: Reproduction, column: str) -> None:
        self._reproduction = reproduction
        self._own = column == "released"
        self._models = reproduction.column(column)
        self._corrupted = reproduction.corrupted_column(column)

    def part(self, test: Test) -> Part | str:
        """The test's result or, if something it needs was not measured, the name of that."""
        if test.of == "corrupted":
            return self._on_corrupted(test)
        if test.of == "mip":
            return self._on_mip(test)
        return self._on_images(test)

    def about(self, test: Test, claim: PaperClaim) -> bool:
        """Whether the images a test is carried out on are those the claim is about; of CIFAR-10-C, all 19 files."""
        if not claim.data:
            return True
        if test.of == "corrupted":
            found = [each.whole for each, _ in self._corrupted.values()]
            return CIFAR10C in claim.data and (all(found) if found else self._reproduction.beside == CIFAR10C)
        return self._reproduction.relation != "other" and self._reproduction.beside in claim.data

    def unscripted(self, test: Test) -> dict[str, str]:
        """The models of a test that no script was published for, where each is to be under its own; and whose
        they are under."""
        dataset = CIFAR10C if test.of == "corrupted" else self._reproduction.beside
        scripts = {name: borrowed_script(name, dataset) for name in test.models if self._own}
        return {name: script for name, script in scripts.items() if script}

    def told(self, test: Test, claim: PaperClaim) -> bool:
        """Whether a test can be decided on these images at all, if it is measured."""
        repeated = not self._own or test.of != "mip"  # the removal of the script is not reproduced
        return repeated and self.about(test, claim) and not self.unscripted(test)

    def _on_images(self, test: Test) -> Part | str:
        names = test.models
        found = [self._models[name] for name in names if name in self._models]
        lacking = [name for name in names if name not in self._models]
        grid = [eps for eps in test.eps if all(_measured(model, test.of, eps) for model in found)]
        if lacking or not grid:
            return f"{' and '.join(lacking or names)} ({ATTACKS[test.of]})"
        label = f"{' − '.join(names)}, {ATTACKS[test.of]}"
        scores = [_standing(model, test.of, grid) for model in found]
        if not test.b:
            return replace(level(label, scores[0], bound=test.bound), eps=tuple(grid))
        n = min(each.shape[1] for each in scores)  # the first n of one fixed order
        a, b = (each[:, :n] for each in scores)
        part = paired(label, a, b, bound=test.bound, sign=test.sign, every=test.every)
        return part if test.of == "clean" else replace(part, eps=tuple(grid))

    def _on_corrupted(self, test: Test) -> Part | str:
        names = test.models
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
        part = paired(
            label, a[:, :n], b[:, :n], most=most, sign=test.sign, every=test.every, majority=test.most
        )
        return replace(part, eps=tuple(grid))

    def _on_mip(self, test: Test) -> Part | str:
        if self._own:
            return "the script's own removal of one random draw, which is not repeated"
        mip = self._reproduction.mip
        models = {model.info.name: model for model in mip.models} if mip else {}
        lacking = [name for name in test.models if name not in models]
        if lacking:
            return f"{' and '.join(lacking)} (maximum invariant perturbation)"
        pair = (models[test.a], models[test.b])
        both = pair[0].right & pair[1].right
        if not both.any():
            return "an image that both models have right (maximum invariant perturbation)"
        a, b = (model.steps[both].sum(1)[None] for model in pair)
        most = pair[0].grid * pair[0].steps.shape[1]
        return paired(f"{test.a} − {test.b}, share of pixel values", a, b, most=most, sign=test.sign)


def borrowed_script(name: str, dataset: str) -> str:
    """The model whose script evaluates this one on one of the paper's data sets, if none was published for it there."""
    if has_script(name, dataset):
        return ""
    script = borrowed(name)
    return script if has_script(script, dataset) else f"{script} on {DATASETS['cifar10']}"


def by_base(
    images: Corrupted, measured: MeasuredModel, grid: Sequence[float]
) -> tuple[Int64[np.ndarray, "corruptions bases"], int]:
    """The number of severities and ε of the grid at which each base image is right, and the number of all of them.

    A base image not all of whose versions were measured is left out.
    """
    rows = [measured.at("pgd", eps) for eps in grid]
    stands = np.stack([row for row in rows if row is not None]).sum(0, dtype=np.int64)
    whole = stands[: images.bases * images.groups.block]
    shape = (images.bases, len(images.groups.names), SEVERITIES)
    return whole.reshape(shape).sum(2).T, SEVERITIES * len(rows)


def _measured(model: MeasuredModel, of: str, eps: float) -> bool:
    return of == "clean" or model.at(of, eps) is not None


def _standing(model: MeasuredModel, of: str, grid: Sequence[float]) -> Int64[np.ndarray, "c n"]:
    """(conditions, n): 1 where an image stands."""
    if of == "clean":
        return model.result.clean.correct[None].astype(np.int64)
    curve = model.curve(of)
    assert curve is not None
    rows = [eps_index(model.setting.eps, eps) for eps in grid]
    return np.stack([curve.standing[row] for row in rows]).astype(np.int64)
