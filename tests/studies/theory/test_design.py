"""Designs read from modules, fusion weights, their cell, and diagrams."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor

import zoo
from bench.engine.result import CellResult
from bench.inputs.model_info import ModelInfo
from bench.studies.theory.cells import DESIGN, MEASURES, TheorySetting, arrays_of, theory_cells, theory_of
from bench.studies.theory.design import Design, as_arrays, design_of, from_arrays
from bench.studies.theory.design_rows import design_figures, fusion_rows
from bench.studies.theory.diagram import diagram
from bench.studies.theory.measured import ModelTheory, measure_model
from tests.studies.theory.test_theory import curved, images

IMAGE = torch.rand(1, 1, 16, 16)


def design(name: str) -> Design:
    found = design_of(zoo.build(name, channels=1, size=16).eval(), IMAGE)
    assert found
    return found


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor]:
    return zoo.data.load("digits", "test").images(0, 2), torch.zeros(2, dtype=torch.int64)


def stored(name: str, digits: tuple[Tensor, Tensor]) -> ModelTheory:
    """What comes back from a model's first and last cell."""
    info = ModelInfo(name=name, weights=name, trained_on="digits", parameters=0, origin="zoo")
    found = measure_model(info, curved(), images(2), digits[1])  # whose first cell does not matter here
    first = CellResult(arrays=arrays_of(found), seconds=1.0, gradients=0)
    return theory_of(info, first, design=MEASURES[DESIGN](zoo.load(name), digits[0][:1], digits[1][:1]))


def test_the_parallel_design_has_its_branches_side_by_side() -> None:
    found = design("parallel_gcnn_rs_4")
    assert [part.label for part in found.parts[:2]] == ["image", "normalisation"]
    joined = found.parts[2]
    assert (joined.label, joined.shape) == ("concatenated", (24, 16, 16))
    assert [[(part.kind, part.shape) for part in row] for row in joined.branches] == [
        [(kind, (8, 16, 16))] for kind in ("standard", "rotation", "scale")
    ]
    assert found.parts[3].label.replace("\u00a0", " ") == "3 × max pooling, 3 × standard 3×3"
    assert (found.parts[4].shape, found.fusion.tolist()) == ((10,), [])


def test_the_cascaded_design_has_them_in_a_row() -> None:
    found = design("cascaded_gcnn_4")
    assert [part.kind for part in found.parts] == ["", "", "standard", "rotation", "scale", "standard", ""]
    assert not any(part.branches for part in found.parts)


def test_the_equivariant_design_has_rotations_throughout() -> None:
    found = design("equivariant_gcnn")
    assert [part.kind for part in found.parts] == ["", "", "rotation", "rotation", ""]
    assert found.parts[-1].label == "mean, max over turns, linear"


def test_a_module_that_is_not_of_the_zoo_has_no_design() -> None:
    assert design_of(curved(), torch.rand(1, 1, 8, 8)) is None


def test_looking_at_a_network_leaves_no_hook_behind() -> None:
    model = zoo.build("baseline_cnn_4", channels=1, size=16).eval()
    design_of(model, IMAGE)
    assert not any(module._forward_hooks for module in model.modules())


def test_fusion_weights_are_the_softmax_of_the_shipped_ones(digits: tuple[Tensor, Tensor]) -> None:
    models = [stored(name, digits) for name in ("weighted_gcnn_rs_4", "baseline_cnn_4")]
    (row,) = fusion_rows(models)
    front = zoo.load("weighted_gcnn_rs_4").front
    logits = front.get_parameter("logits").detach()
    expected = (logits.exp() / logits.exp().sum()).tolist()
    assert row.name == "weighted_gcnn_rs_4"
    assert list(row.weights) == ["standard", "rotation", "scale"]
    assert list(row.weights.values()) == pytest.approx(expected, rel=1e-6)
    assert sum(row.weights.values()) == pytest.approx(1)
    assert [figure.names for figure in design_figures(models)] == [(model.info.name,) for model in models]
    assert [figure.names for figure in design_figures([models[1]] * 2)] == [("baseline_cnn_4",) * 2]


def test_cost_and_design_come_back_from_their_cell(digits: tuple[Tensor, Tensor]) -> None:
    found = stored("baseline_cnn_4", digits)
    assert found.cost
    assert found.design
    by_hand = 9 * (1 * 8 * 16**2 + 8 * 32 * 8**2 + 32 * 64 * 4**2 + 64 * 128 * 2**2) + 128 * 10
    assert found.cost.forward.multiply_adds == found.cost.backward.multiply_adds == by_hand
    assert 0 < found.cost.forward.memory < found.cost.backward.memory
    assert found.design.parts == design("baseline_cnn_4").parts
    setting = TheorySetting(dataset="digits", data="d", n=50, seed=3, protocol="sound", backend="cpu")
    *_, mine = theory_cells(setting, found.info)
    assert (mine.attack, mine.count, mine.seed) == (DESIGN, 1, 0)  # neither images nor draws change a design


def test_designs_survive_their_arrays() -> None:
    for name in ("weighted_gcnn_rs_4", "cascaded_gcnn"):
        found = design(name)
        again = from_arrays(as_arrays(found))
        assert again.parts == found.parts
        assert again.fusion.tolist() == found.fusion.tolist()


def test_a_diagram_has_a_box_a_part_and_lies_within_its_frame() -> None:
    svg = diagram(design("parallel_gcnn_rs").parts)
    assert svg.count("<rect") == 5 + 3
    *_, width, height = map(float, re.findall(r'viewBox="(.*?)"', svg)[0].split())
    assert width > height > 3 * 50
    assert re.findall(r">(\w+) 3×3<", svg) == ["standard", "rotation", "scale"]
    assert "<script" not in svg
