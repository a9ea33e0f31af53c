"""bench spatial: draws, cells against plain loops, and the numbers of results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import zoo
from bench.errors import UsageError
from bench.inputs.model_info import ModelInfo
from bench.numbers.stats import wilson
from bench.studies.spatial.cells import NO_ANSWER, draws_of, looks, measure_spatial, questions, spatial_cells
from bench.studies.spatial.results import SpatialOutcome, SpatialResult, Worst
from bench.studies.spatial.setting import Options, SpatialSetting, grid_points, parse_grid, parse_levels
from zoo.deployment import deploy
from zoo.spatial import moved

INFO = ModelInfo(name="m", weights="w", trained_on="t", parameters=1, origin="zoo")
DRAWN: dict[str, Any] = {"seed": 0, "first": 0, "count": 5, "draws": 10}


def setting(**changes: Any) -> SpatialSetting:
    fields: dict[str, Any] = {
        "dataset": "digits",
        "data": "ab",
        "n": 8,
        "rotations": (30.0, 180.0),
        "translations": (0.1,),
        "draws": 3,
        "grid": (3, 3),
        "turns": 8,
        "interpolation": "bilinear",
        "fill": "black",
        "seed": 0,
        "protocol": "sound/1",
        "backend": "cpu",
        **changes,
    }
    return SpatialSetting(**fields)


def measured(
    model: nn.Module, x: Tensor, y: Tensor, what: str, level: float | None = None, **changes: Any
) -> dict[str, np.ndarray]:
    found = [
        measure_spatial(cell, model, *(each[cell.first : cell.first + cell.count] for each in (x, y))).arrays
        for cell in spatial_cells(setting(n=len(x), **changes), INFO, what, level)
    ]
    return {name: np.concatenate([arrays[name] for arrays in found]) for name in found[0]}


class Random(nn.Module):
    """Four classes by a fixed random matrix: answers change under most transformations."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
        self.seen = 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        return x.flatten(1) @ self.weight


class Always(nn.Module):
    """Class 1, whatever it sees; ``limit`` looks at images with more light than that are NaN."""

    def __init__(self, limit: float = float("inf")) -> None:
        super().__init__()
        self.limit = limit

    def forward(self, x: Tensor) -> Tensor:
        bad = x.sum((1, 2, 3)) > self.limit
        return torch.stack([torch.zeros(len(x)), torch.where(bad, torch.nan, 1.0)], dim=1)


def images(n: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(n, 1, 8, 8, generator=generator)
    return x, torch.randint(0, 4, (n,), generator=generator)


# draws


@pytest.mark.parametrize(("what", "axes"), [("rotate", 1), ("translate", 2)])
def test_draws_are_proportional_to_the_level(what: str, axes: int) -> None:
    one = draws_of(what, 1.0, **DRAWN)
    assert one.shape == (5, 10, axes)
    assert float(one.abs().max()) <= 1
    assert torch.equal(draws_of(what, 64.0, **DRAWN), 64 * one)
    assert torch.allclose(draws_of(what, 180.0, **DRAWN), 180 * one, rtol=1e-15)


@pytest.mark.parametrize("what", ["rotate", "translate"])
def test_draws_depend_on_seed_image_and_draw_alone(what: str) -> None:
    whole = draws_of(what, 30.0, **DRAWN)
    assert torch.equal(draws_of(what, 30.0, seed=0, first=3, count=2, draws=10), whole[3:])
    assert torch.equal(draws_of(what, 30.0, seed=0, first=0, count=5, draws=4), whole[:, :4])
    assert torch.equal(draws_of(what, 30.0, seed=0, first=0, count=5, draws=40)[:, :10], whole)
    others = draws_of(what, 30.0, **{**DRAWN, "seed": 1})
    assert len(torch.cat([whole, others]).unique()) == 2 * whole.numel()


def test_draws_fill_the_range_evenly() -> None:
    """Kolmogorov and Smirnov's distance is below 1.95 / √n in all but one of a thousand cases."""
    values = draws_of("translate", 1.0, seed=0, first=0, count=300, draws=10)
    for axis in (0, 1):
        found = values[..., axis].flatten().sort().values
        expected = torch.linspace(-1, 1, len(found), dtype=torch.float64)
        assert float((found - expected).abs().max()) / 2 < 1.95 / np.sqrt(len(found))
    assert abs(float(torch.corrcoef(values.view(-1, 2).T)[0, 1])) < 0.06


# cells against plain loops


@pytest.mark.parametrize(("interpolation", "fill"), [("bilinear", "black"), ("nearest", "edge")])
def test_random_levels_are_what_a_loop_finds(interpolation: str, fill: str) -> None:
    x, y = images()
    way: dict[str, Any] = {"interpolation": interpolation, "fill": fill}
    model = Random()
    for what, level in (("rotate", 77.0), ("translate", 0.3)):
        found = measured(model, x, y, what, level, **way)
        draws = draws_of(what, level, seed=0, first=0, count=8, draws=3)
        for i in range(8):
            for j in range(3):
                turn = draws[i, j] if what == "rotate" else torch.zeros(1, dtype=torch.float64)
                shift = draws[i, j][None] if what == "translate" else None
                answer = int(model(moved(x[i : i + 1], turn, shift, **way)).argmax())
                assert found["predicted"][i, j] == answer
                assert found["right"][i, j] == (answer == int(y[i]))


def test_fixed_angles_are_what_a_loop_finds() -> None:
    x, y = images()
    found = measured(Random(), x, y, "turn")
    assert found["right"].shape == (8, 8)
    for j in range(8):
        turned = moved(x, torch.full((8,), 45.0 * j, dtype=torch.float64))
        assert (found["predicted"][:, j] == Random()(turned).argmax(1).numpy()).all()
    assert (found["predicted"][:, 0] == measured(Random(), x, y, "clean")["predicted"][:, 0]).all()


def test_the_worst_of_a_grid_is_what_a_loop_finds() -> None:
    x, _ = images(40)
    model = Random()
    y = model(x).argmax(1)
    y[::5] = (y[::5] + 1) % 4  # some are wrong when clean
    grid = measured(model, x, y, "grid", grid=(5, 2))
    stands = model(x).argmax(1) == y
    for angle in (-30.0, -15.0, 0.0, 15.0, 30.0):
        for right in (-0.1, 0.1):
            for down in (-0.1, 0.1):
                turn = torch.full((40,), angle, dtype=torch.float64)
                shift = torch.tensor([right, down], dtype=torch.float64).expand(40, 2)
                stands &= model(moved(x, turn, shift)).argmax(1) == y
    assert 0 < int(stands.sum()) < 32
    assert (grid["right"] == stands.numpy()).all()
    assert (grid["queries"][stands.numpy()] == 1 + 5 * 2 * 2).all()
    assert (grid["queries"][::5] == 1).all()


def test_an_image_is_not_looked_at_once_it_is_broken() -> None:
    x, _ = images(40)
    model = Random()
    y = model(x).argmax(1)
    model.seen = 0
    grid = measured(model, x, y, "grid", grid=(31, 5))
    assert model.seen == grid["queries"].sum()
    assert model.seen < 40 * 31 * 25
    assert grid["queries"].max() <= looks(spatial_cells(setting(grid=(31, 5)), INFO, "grid")[0])


def test_a_model_that_never_errs_takes_all_queries() -> None:
    x, y = images(3)[0], torch.ones(3, dtype=torch.int64)
    grid = measured(Always(), x, y, "grid", grid=(31, 5))
    assert grid["right"].all()
    assert (grid["queries"] == 31 * 25).all()


def test_logits_that_are_not_finite_are_no_answer() -> None:
    x, y = torch.full((2, 1, 8, 8), 0.5), torch.ones(2, dtype=torch.int64)
    x[1] = 1.0
    found = measured(Always(limit=40.0), x, y, "turn")
    assert found["predicted"][0].tolist() == [1] * 8
    assert found["right"][0].all()
    assert found["predicted"][1, 0] == NO_ANSWER
    assert not found["right"][1, 0]


@settings(max_examples=40, deadline=None)
@given(angles=st.integers(1, 12), shifts=st.integers(1, 5))
def test_grids_are_even_symmetric_and_without_the_image_itself(angles: int, shifts: int) -> None:
    points = grid_points(angles, shifts, 30.0, 0.1)
    turns = np.linspace(-30, 30, angles) if angles > 1 else np.zeros(1)
    along = np.linspace(-0.1, 0.1, shifts) if shifts > 1 else np.zeros(1)
    expected = [(a, r, d) for a in turns for r in along for d in along if abs(a) + abs(r) + abs(d) > 1e-9]
    assert len(points) == len(expected)
    if points:
        np.testing.assert_allclose(sorted(points), sorted(expected), rtol=0, atol=1e-9)
        sizes = [abs(a) / 30 + max(abs(r), abs(d)) / 0.1 for a, r, d in points]
        assert sizes == sorted(sizes, reverse=True)


# cells


def test_a_level_is_the_same_cell_whatever_else_is_asked_for() -> None:
    one = spatial_cells(setting(rotations=(30.0,), translations=(), grid=None, turns=0), INFO, "rotate", 30)
    other = spatial_cells(setting(), INFO, "rotate", 30.0)
    assert [cell.key for cell in one] == [cell.key for cell in other]
    clean = [spatial_cells(setting(seed=seed, fill="edge"), INFO, "clean")[0].key for seed in (0, 1)]
    assert clean[0] == clean[1] == spatial_cells(setting(), INFO, "clean")[0].key
    keys = [
        cell.key
        for what, level in questions(setting())
        for cell in spatial_cells(setting(), INFO, what, level)
    ]
    assert len(set(keys)) == len(keys) == 6


@pytest.mark.parametrize(
    "change", [{"draws": 4}, {"seed": 1}, {"fill": "edge"}, {"interpolation": "nearest"}, {"n": 7}]
)
def test_what_changes_the_numbers_changes_the_cell(change: dict[str, Any]) -> None:
    assert spatial_cells(setting(), INFO, "rotate", 30.0)[0].key != (
        spatial_cells(setting(**change), INFO, "rotate", 30.0)[0].key
    )


def test_shards_are_a_hundred_images() -> None:
    cells = spatial_cells(setting(n=230), INFO, "translate", 0.1)
    assert [(cell.first, cell.count) for cell in cells] == [(0, 100), (100, 100), (200, 30)]


# quarter turns


@pytest.mark.parametrize(("name", "keeps"), [("equivariant_gcnn", True), ("baseline_cnn", False)])
def test_quarter_turns_cost_an_equivariant_model_no_image(name: str, keeps: bool) -> None:
    """The shipped weights on all test images: right before is right after, to the last image."""
    data = zoo.data.load("digits", "test")
    labels = torch.from_numpy(data.labels.astype(np.int64))
    found = measured(deploy(zoo.load(name)), data.images(0, len(data)), labels, "turn", turns=8)
    clean, *turned = (found["right"][:, column] for column in (0, 2, 4, 6))
    for right in turned:
        assert np.array_equal(right, clean) == keeps
        assert keeps or right.sum() < 0.6 * clean.sum()
    between = found["right"][:, 1::2].mean(axis=0)
    assert (between < 0.6).all()  # no such promise at 45°, for either


# numbers


def outcome(right: list[list[int]], changed: list[list[int]], clean: list[int]) -> SpatialOutcome:
    arrays = (np.array(each, dtype=bool) for each in (right, changed, clean))
    return SpatialOutcome(
        **dict(zip(("right", "changed", "clean"), arrays, strict=True)), seconds=1.0, digest="d"
    )


def test_accuracies_and_fooling_rates_by_hand() -> None:
    found = outcome([[1, 0], [1, 1], [0, 1], [0, 0]], [[0, 1], [0, 0], [0, 1], [0, 1]], [1, 1, 0, 0])
    assert found.accuracy.value == 0.5
    assert found.fooled.value == 3 / 8
    given_clean, fooled = found.accuracy_given_clean, found.fooled_given_clean
    assert given_clean is not None
    assert fooled is not None
    assert (given_clean.value, fooled.value) == (0.75, 0.25)
    assert (given_clean.n, found.accuracy.n) == (2, 4)
    nothing = outcome([[0]], [[1]], [0])
    assert nothing.accuracy_given_clean is None
    assert nothing.fooled_given_clean is None


def test_turns_by_hand() -> None:
    turned = outcome(
        [[1, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 0]], [[0, 1, 0, 0], [0, 0, 1, 1], [0, 1, 0, 0]], [1, 1, 0]
    )
    worst = Worst(
        right=np.array([True, False, False]),
        clean=turned.clean,
        queries=np.array([9, 3, 1]),
        seconds=1.0,
        digest="d",
    )
    model = SpatialResult(
        info=INFO, clean=turned.clean, rotations={}, translations={}, turned=turned, grid=worst
    )
    assert model.angles == (0.0, 90.0, 180.0, 270.0)
    quarter, half = model.at(90.0), model.at(180.0)
    assert quarter is not None
    assert half is not None
    assert (quarter.lost, quarter.gained, quarter.fooled) == (1, 1, wilson(2, 3))
    assert (half.lost, half.gained, half.accuracy) == (1, 0, wilson(1, 3))
    assert model.at(45.0) is None
    assert model.lowest_between() is None  # there is no other angle
    assert worst.accuracy == wilson(1, 3)
    assert worst.accuracy_given_clean == wilson(1, 2)


# options


@pytest.mark.parametrize(
    ("fields", "fragment"),
    [
        ({"rotations": (0.0,)}, "--rotate has 0"),
        ({"rotations": (181.0,)}, "--rotate has 181"),
        ({"translations": (1.5,)}, "--translate has 1.5"),
        ({"draws": 0}, "--draws is 0"),
        ({"grid": (0, 5)}, "--grid is 0x5"),
        ({"turns": -1}, "--turns is -1"),
        ({"interpolation": "linear"}, "nearest: bilinear"),
        ({"fill": "edges"}, "nearest: edge"),
        ({"rotations": (), "translations": (), "grid": None, "turns": 0}, "nothing is to be measured"),
    ],
)
def test_options_that_cannot_be_are_refused(fields: dict[str, Any], fragment: str) -> None:
    with pytest.raises(UsageError, match=fragment.replace("(", r"\(")):
        Options(**fields)


def test_lists_and_grids_are_read() -> None:
    assert parse_levels("60, 30,30", "--rotate") == (30.0, 60.0)
    assert parse_levels("none", "--rotate") == ()
    assert parse_grid("31x5") == (31, 5)
    assert parse_grid("none") is None
    for text in ("", "a", "30;60", "nan", "inf"):
        with pytest.raises(UsageError, match="--rotate is"):
            parse_levels(text, "--rotate")
    for text in ("31", "x5", "31x", "31x5x2", "-3x5", "all"):
        with pytest.raises(UsageError, match="--grid is"):
            parse_grid(text)
