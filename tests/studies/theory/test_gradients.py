"""Gradients as vectors: under turns, averaged over orbits and along scales, in closed form and on shipped weights."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from bench.engine.result import CellResult
from bench.studies import theory
from bench.studies.theory.cells import arrays_of_gradients, theory_of
from bench.studies.theory.claims import claims
from bench.studies.theory.gradient_claims import smoothness
from bench.studies.theory.gradients import dithered
from bench.studies.theory.scales import DRAWS, RADIUS
from tests.studies.theory.test_theory import images, measured

N = 4
D = 64  # pixels of the toys' images


class Linear(nn.Module):
    """z = W x, (n, 1, 8, 8) → (n, 3); ``averaged`` over the four turns of its filters."""

    def __init__(self, *, averaged: bool) -> None:
        super().__init__()
        filters = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 0.5
        if averaged:
            filters = torch.stack([torch.rot90(filters, turn, (1, 2)) for turn in range(4)]).mean(0)
        self.filters = filters

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.filters.to(x).flatten(1).T


class Quadratic(nn.Module):
    """z = (‖x‖², −‖x‖²): unchanged by turns, with the gradient 2 x of the class that is predicted."""

    def forward(self, x: Tensor) -> Tensor:
        square = x.square().sum((1, 2, 3))
        return torch.stack([square, -square], 1)


def test_a_linear_maps_gradient_does_not_turn_with_the_image() -> None:
    model, x = Linear(averaged=False), images(N)
    found = theory.turned_gradients(model, x)
    c, j = model(x.double()).topk(2, dim=1).indices.T
    margin = model.filters[c] - model.filters[j]
    for turn in range(1, 4):
        expected = (margin - torch.rot90(margin, turn, (1, 2))).flatten(1).norm(dim=1)
        np.testing.assert_allclose(
            found.margin[turn - 1], expected / margin.flatten(1).norm(dim=1), rtol=1e-12
        )
        all_logits = (model.filters - torch.rot90(model.filters, turn, (1, 2))).norm() / model.filters.norm()
        np.testing.assert_allclose(found.jacobian[turn - 1], all_logits, rtol=1e-12)
    assert (found.worst() == found.margin.max(axis=0)).all()


def test_a_linear_map_averaged_over_turns_obeys_lemmas_3_and_4() -> None:
    found = theory.turned_gradients(Linear(averaged=True), images(N))
    assert found.worst().max() < 1e-14
    assert found.worst("jacobian").max() < 1e-14


def test_a_linear_maps_gradient_is_its_own_average_and_no_step_changes_it() -> None:
    model, x = Linear(averaged=False), images(N)
    found = theory.orbit_average(model, x)
    own = model.filters[model(x.double()).argmax(1)]
    np.testing.assert_allclose(found.size, own.flatten(1).norm(dim=1), rtol=1e-12)
    assert found.gap.max() < 1e-14
    assert not found.change.any()
    back = torch.stack([torch.rot90(own, turn, (1, 2)) for turn in range(4)]).mean(0)
    np.testing.assert_allclose(found.turned_back, (back - own).flatten(1).norm(dim=1), rtol=1e-12)
    assert np.isinf(found.ratio("turned_back")).all()


def test_lemma_5_fails_for_an_invariant_square_in_closed_form() -> None:
    x = dithered(images(N).double(), 0)
    found = theory.orbit_average(Quadratic(), images(N).double(), steps=(0.01, 0.1))
    average = torch.stack([torch.rot90(x, turn, (-2, -1)) for turn in range(4)]).mean(0)
    np.testing.assert_allclose(found.size, 2 * x.flatten(1).norm(dim=1), rtol=1e-12)
    np.testing.assert_allclose(found.gap, 2 * (average - x).flatten(1).norm(dim=1), rtol=1e-12)
    assert found.turned_back.max() < 1e-14
    for step, row in zip(found.steps, found.change, strict=True):
        np.testing.assert_allclose(row, 2 * step * math.sqrt(D), rtol=1e-9)
    np.testing.assert_allclose(found.ratio(), found.gap / found.change)
    np.testing.assert_allclose(found.relative, found.gap / found.size)


def test_a_linear_map_is_alike_at_all_scales_and_all_around_an_image() -> None:
    found = theory.scale_gradients(Linear(averaged=False), images(N))
    assert found.spread.max() < 1e-6
    assert found.varying.max() < 1e-12
    np.testing.assert_allclose(found.square, found.norms[2] ** 2, rtol=1e-5)


def test_scales_of_a_square_in_closed_form() -> None:
    x = images(200)
    found = theory.scale_gradients(Quadratic(), x)
    whole = dithered(x, 0)
    expected = [2 * theory.rescale(whole, s).flatten(1).norm(dim=1).numpy() for s in found.scales]
    np.testing.assert_allclose(found.norms, np.stack(expected), rtol=1e-5)
    uniform = 4 * D * RADIUS**2 / 3  # of 2 x, x uniform in a cube
    assert found.variance.mean() == pytest.approx(uniform, rel=3 / math.sqrt(200 * DRAWS))
    np.testing.assert_allclose(found.varying, found.variance / found.square)
    assert (found.mean_variance < found.variance).all()


def test_rescaling_keeps_one_and_means_two_by_two_at_a_half() -> None:
    x = images(N)
    assert theory.rescale(x, 1.0) is x
    half = theory.rescale(x, 0.5)
    torch.testing.assert_close(half[..., 2:6, 2:6], torch.nn.functional.avg_pool2d(x, 2))
    assert torch.equal(half[..., 0, 0], x[..., 0, 0])
    torch.testing.assert_close(theory.rescale(torch.full_like(x, 0.7), 2**0.5), torch.full_like(x, 0.7))


# the shipped weights


@pytest.fixture(scope="module")
def models() -> list[theory.ModelTheory]:
    data = zoo.data.load("digits", "test")
    x, y = data.images(0, N), data.targets(0, N)
    found = []
    for name in ("baseline_cnn_4", "equivariant_gcnn_4", "parallel_gcnn_scale_4"):
        gradients = theory.measure_gradients(zoo.load(name), x)
        found.append(dataclasses.replace(measured(name, (x, y)), gradients=gradients))
    return found


def test_verdicts_follow_from_the_arrays(models: list[theory.ModelTheory]) -> None:
    assert [model.scaled for model in models] == [False, False, True]
    found = {claim.id: claim for claim in claims(models)}
    ids = ("lemma-3", "lemma-4", "lemma-5", "scale-norms", "scale-average")
    assert [found[id].verdict for id in ids] == ["holds", "holds", "does not hold", "holds", "holds"]
    baseline, equivariant, scaled = (model.gradients for model in models)
    assert baseline and equivariant and scaled  # noqa: PT018
    assert equivariant.turned.worst().max() < 1e-12 < baseline.turned.worst().min()
    assert f"relative error {theory.number(equivariant.turned.worst().max())}." in found["lemma-3"].measured
    (comparison,) = smoothness(models, 0)
    assert (comparison.model, comparison.baseline) == ("parallel_gcnn_scale_4", "baseline_cnn_4")
    difference = np.median(1 - scaled.scales.varying) - np.median(1 - baseline.scales.varying)
    assert comparison.difference.value == pytest.approx(difference)
    assert found["scale-branch"].verdict == comparison.verdict


def test_a_gradient_that_does_not_turn_refutes_lemma_3(models: list[theory.ModelTheory]) -> None:
    gradients = models[1].gradients
    assert gradients
    turned = dataclasses.replace(gradients.turned, margin=gradients.turned.margin + 1e-6)
    model = dataclasses.replace(models[1], gradients=dataclasses.replace(gradients, turned=turned))
    verdicts = {claim.id: claim.verdict for claim in claims([model])}
    assert (verdicts["lemma-3"], verdicts["lemma-4"]) == ("does not hold", "holds")


def test_a_store_without_gradients_decides_nothing_of_them(models: list[theory.ModelTheory]) -> None:
    older = [dataclasses.replace(model, gradients=None) for model in models]
    verdicts = {claim.id: claim.verdict for claim in claims(older)}
    new = [id for id in verdicts if id in ("lemma-3", "lemma-4", "lemma-5") or id.startswith("scale-")]
    assert len(new) == 6
    assert {verdicts[id] for id in new} == {"undecided here"}
    assert verdicts["lemma-1"] == "holds"


def test_gradients_come_back_from_their_cell(models: list[theory.ModelTheory]) -> None:
    from bench.studies.theory.cells import arrays_of

    model = models[2]
    assert model.gradients
    first = CellResult(arrays=arrays_of(model), seconds=1.0, gradients=0)
    second = CellResult(arrays=arrays_of_gradients(model.gradients), seconds=2.0, gradients=0)
    again = theory_of(model.info, first, second).gradients
    assert again
    assert again.seconds == 2.0
    for name in ("turned", "average", "scales"):
        one, other = getattr(model.gradients, name), getattr(again, name)
        for field in dataclasses.fields(one):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))
    assert again.scales.scales == model.gradients.scales.scales
    assert theory_of(model.info, first).gradients is None
