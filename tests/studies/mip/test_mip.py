"""bench mip: closed forms, nested removals, and the command."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bench.inputs.model_info import ModelInfo
from bench.studies.mip.cells import MipSetting
from bench.studies.mip.page import write_mip_page
from bench.studies.mip.removal import WRONG, ranks, removed, steps_withstood
from bench.studies.mip.results import MipResult, MipResults
from tests.own import call

Capture = pytest.CaptureFixture[str]
MIP = ("mip", "--workers", 1, "--n", 25, "--model", "baseline_cnn_4", "--draws", 3, "--grid", 10)


class Counts(nn.Module):
    """Class 1 while fewer than ``limit`` values equal ``value``, then class 0."""

    def __init__(self, limit: int, value: float = 0.0) -> None:
        super().__init__()
        self.limit, self.value = limit, value
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        few = ((x == self.value).flatten(1).sum(1) < self.limit).float()
        return torch.stack([1 - few, few], dim=1)


def withstood(model: nn.Module, x: Tensor, y: int = 1, **changes: Any) -> tuple[np.ndarray, np.ndarray]:
    options = {"first": 0, "draws": 3, "grid": 100, "fill": "black", "seed": 0, **changes}
    return steps_withstood(model, x, torch.full((len(x),), y), **options)


# closed forms


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 120))
def test_a_model_that_counts_has_its_limit_as_mip(limit: int, grid: int) -> None:
    x = torch.ones(2, 1, 6, 8)
    steps, right = withstood(Counts(limit), x, grid=grid)
    expected = max(step for step in range(grid + 1) if removed(step, grid, 48) < limit)
    assert (steps == expected).all()
    assert right.all()


def test_grey_fills_with_a_half() -> None:
    x = torch.ones(2, 3, 4, 4)
    assert (withstood(Counts(25, 0.5), x, fill="grey", grid=48)[0] == 24).all()
    assert (withstood(Counts(25, 0.5), x, fill="black", grid=48)[0] == 48).all()


def test_channels_are_removed_apart() -> None:
    model = Counts(1000)
    withstood(model, torch.ones(1, 3, 4, 4), grid=4, draws=1)
    half = model.seen[2][0]
    assert (half == 0).sum() == 24
    assert not torch.equal(half[0], half[1])


def test_images_wrong_when_whole_are_left_out() -> None:
    x = torch.ones(3, 1, 4, 4)
    x[1] = 0
    steps, right = withstood(Counts(8), x)
    assert right.tolist() == [True, False, True]
    assert (steps[1] == WRONG).all()
    assert (steps[[0, 2]] > 0).all()
    assert (withstood(Counts(1), torch.zeros(2, 1, 4, 4))[0] == WRONG).all()


def test_the_first_misclassification_ends_a_draw_even_if_later_rates_are_right() -> None:
    class Window(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            gone = (x == 0).flatten(1).sum(1)
            wrong = ((gone >= 4) & (gone < 6)).float()
            return torch.stack([wrong, 1 - wrong], dim=1)

    assert (withstood(Window(), torch.ones(2, 1, 4, 4), grid=16)[0] == 3).all()


def test_logits_that_are_not_finite_are_wrong() -> None:
    class Breaks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            bad = (x == 0).flatten(1).sum(1) >= 8
            return torch.stack([torch.zeros(len(x)), torch.where(bad, torch.nan, 1.0)], dim=1)

    assert (withstood(Breaks(), torch.ones(1, 1, 4, 4), grid=16)[0] == 7).all()


# orders


def test_a_larger_rate_removes_what_a_smaller_one_did() -> None:
    model = Counts(1000)
    withstood(model, torch.ones(2, 1, 8, 8), grid=10, draws=4)
    whole, *seen = model.seen
    assert len(whole) == 2
    assert [int((x == 0).sum()) for x in seen] == [8 * removed(step, 10, 64) for step in range(1, 11)]
    for before, after in itertools.pairwise(seen):
        assert bool((before == 0).logical_and(after != 0).sum() == 0)
    assert not torch.equal(seen[4][0], seen[4][1])


@given(st.integers(1, 500), st.integers(1, 5000))
def test_rates_round_to_whole_values(grid: int, values: int) -> None:
    counts = [removed(step, grid, values) for step in range(grid + 1)]
    assert (counts[0], counts[-1]) == (0, values)
    assert counts == sorted(counts)
    assert all(abs(count - step * values / grid) <= 0.5 for step, count in enumerate(counts))


def test_orders_are_permutations_of_seed_image_and_draw() -> None:
    first = ranks(0, 5, 4, 64)
    assert (np.sort(first, axis=1) == np.arange(64)).all()
    assert (ranks(0, 5, 4, 64) == first).all()
    assert (ranks(0, 5, 2, 64) == first[:2]).all()  # more draws keep the ones there were
    assert len({row.tobytes() for row in (*first, *ranks(1, 5, 4, 64), *ranks(0, 6, 4, 64))}) == 12
    places = np.stack([ranks(0, image, 10, 16) for image in range(300)]).reshape(-1, 16)
    assert np.abs(places.mean(axis=0) - 7.5).max() < 0.5


def test_orders_do_not_depend_on_the_shard() -> None:
    x = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    with torch.no_grad():
        model[1].weight.copy_(torch.randn(2, 64, generator=torch.Generator().manual_seed(1)))
    y = model(x).argmax(1)
    options: dict[str, Any] = {"draws": 5, "grid": 50, "fill": "black", "seed": 3}
    whole, _ = steps_withstood(model, x, y, first=0, **options)
    part, _ = steps_withstood(model, x[4:], y[4:], first=4, **options)
    assert (whole[4:] == part).all()


# numbers


def result(name: str, steps: np.ndarray, grid: int = 10) -> MipResult:
    info = ModelInfo(name=name, weights=name, trained_on="t", parameters=1, origin="zoo")
    return MipResult(info=info, steps=steps, right=steps[:, 0] != WRONG, grid=grid, seconds=1.0, digest="d")


def results(*models: MipResult) -> MipResults:
    setting = MipSetting(
        dataset="digits",
        data="ab",
        n=4,
        draws=2,
        grid=10,
        fill="black",
        seed=0,
        protocol="sound/1",
        backend="cpu",
    )
    return MipResults(setting=setting, models=models, versions={"torch": "2"}, command="bench mip")


def test_statistics_are_those_of_the_right_images() -> None:
    model = result("m", np.array([[2, 4], [WRONG, WRONG], [6, 8], [10, 10]]))
    assert model.wrong == 1
    assert model.mean().value == pytest.approx((0.3 + 0.7 + 1) / 3)
    assert model.mean().lo < model.mean().value < model.mean().hi
    assert model.quantiles((0.0, 0.5, 1.0)) == pytest.approx((0.2, 0.7, 1.0))
    assert model.spread_over_images == pytest.approx(np.std([0.3, 0.7, 1.0], ddof=1))
    assert model.spread_over_draws == pytest.approx(np.sqrt((0.02 + 0.02 + 0) / 3))
    assert model.withstood_all == pytest.approx(2 / 6)


def test_comparisons_are_paired_on_images_both_have_right() -> None:
    low = result("low", np.array([[2, 3], [4, 4], [1, 6], [WRONG, WRONG]]))
    high = result("high", np.array([[4, 5], [6, 6], [WRONG, WRONG], [9, 9]]))
    (compared,) = results(low, high).comparisons()
    assert (compared.model, compared.reference, compared.images) == ("high", "low", 2)
    assert compared.difference.value == pytest.approx(0.2)
    assert compared.difference.lo == pytest.approx(0.2)
    assert (compared.ahead, compared.behind, compared.verdict) == (1.0, 0.0, "withstands more")
    assert results(low, low).comparisons()[0].verdict == "undecided here"
    assert results(high, low).comparisons()[0].verdict == "withstands less"
    assert results(low).comparisons() == ()


def test_a_page_without_a_right_image_is_still_a_page(tmp_path: Path) -> None:
    nothing = result("nothing", np.full((4, 2), WRONG))
    some = result("<b>", np.array([[2, 3], [4, 4], [1, 6], [7, 7]]))
    for shown in (results(), results(nothing), results(some, nothing)):
        text = write_mip_page(shown, [results(some)], tmp_path).read_text()
        assert "nothing about worst-case robustness" in text
        assert not re.search(r"\bnan\b", text)
        assert "<b>" not in text


# the command


@pytest.fixture
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_elsewhere")
def test_rows_and_page_agree_and_it_resumes(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.studies.mip import cells

    ran: list[int] = []
    real = cells.measure_mip
    monkeypatch.setattr(
        cells, "measure_mip", lambda cell, *rest: (ran.append(cell.first), real(cell, *rest))[1]
    )
    answer = call(capsys, *MIP, "--model", "equivariant_gcnn_4", "--json")
    assert answer.code == 0
    first, second = json.loads(answer.out)
    assert (first["model"], first["draws"], first["fill"]) == ("baseline_cnn_4", 3, "black")
    assert 0 < first["mip_lo"] < first["mip_mean"] < first["mip_hi"] < 1
    assert (first["reference"], second["reference"]) == (None, "baseline_cnn_4")
    assert second["difference_lo"] <= second["difference"] <= second["difference_hi"]
    page = Path("reports/digits-mip.html").read_text()
    assert f"{100 * first['mip_mean']:.1f}" in page
    assert "nothing about worst-case robustness" in page
    assert Path("reports/figures/digits-mip.png").is_file()
    assert ran == [0, 20, 0, 20]
    assert call(capsys, *MIP, "--json").code == 0
    assert len(ran) == 4
    page = Path("reports/digits-mip.html")
    page.unlink()
    assert call(capsys, "report").code == 0
    assert "equivariant_gcnn_4" in page.read_text().replace("<wbr>", "")
    assert call(capsys, *MIP, "--fill", "grey", "--n", 20).code == 0
    assert "Other settings" in page.read_text()
    assert ran[4:] == [0]


@pytest.mark.slow
@pytest.mark.usefixtures("_elsewhere")
def test_workers_change_no_number(capsys: Capture) -> None:
    alone = json.loads(call(capsys, *MIP, "--json", "--store", "a").out)
    together = json.loads(call(capsys, *MIP, "--json", "--store", "b", "--workers", 2).out)
    assert alone == together


@pytest.mark.usefixtures("_elsewhere")
def test_dry_run_writes_nothing(capsys: Capture) -> None:
    answer = call(capsys, *MIP, "--dry-run")
    assert answer.code == 0
    assert answer.out.startswith("2 cells, 0 stored, 2 to run")
    assert not list(Path.cwd().iterdir())


@pytest.mark.usefixtures("_elsewhere")
@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (("--draws", 0), "--draws is 0"),
        (("--grid", 0), "--grid is 0"),
        (("--fill", "gray"), "nearest: grey"),
        (("--n", 361), "--n is 361"),
    ],
)
def test_refusals(capsys: Capture, words: tuple[Any, ...], fragment: str) -> None:
    answer = call(capsys, *MIP, *words)
    assert (answer.code, answer.out) == (2, "")
    assert fragment in answer.err
    assert len(answer.err.splitlines()) == 1
