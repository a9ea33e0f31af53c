"""Exported images add up to the leaderboard, whatever the attack and the curve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from bench.attacks import parse_requests
from bench.leaderboard.members import is_worst
from bench.studies.robustness.export import image_table, kept_images
from bench.studies.robustness.history import Recorded
from bench.studies.robustness.rows import rows
from tests.engine.test_run import World
from tests.toys import Linear

REQUESTS = (
    *parse_requests(["fgsm", "pgd", "spatial_grid"], params={"steps": 3, "rotations": 3}),
    *parse_requests(["fmn"], params={"steps": 40}),
)
GRIDS = [("cumulative", (0.02, 0.1)), ("cumulative", (0.05, 0.1, 0.2)), ("independent", (0.02, 0.1))]


class Wavy(Linear):
    """Wrong only at some distances: what a small step breaks a larger one may leave standing."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(3 * super().forward(x))


@pytest.fixture(scope="module")
def world() -> World:
    world = World(130)
    model = Wavy(world.data.model.weight.detach()).requires_grad_(False).eval()
    world.data.labels = model(world.data.x).argmax(1).numpy()
    world.data.labels[::7] = 1 - world.data.labels[::7]
    world.loaded.keep_model(world.info.weights, "cpu", model)
    for curve, eps in GRIDS:
        assert world.run(*REQUESTS, curve=curve, eps=eps)[1] == ()
    return world


def chapters(world: World) -> list[Recorded]:
    asked = {world.info: dict.fromkeys(REQUESTS)}
    return [Recorded(replace(world.setting, curve=curve, eps=eps), asked=asked) for curve, eps in GRIDS]


def test_standing_adds_up_to_every_row_of_an_attack(world: World) -> None:
    frame = image_table(world.store, chapters(world), model=None, attack=None).frame
    identity = ["attack", "library", "norm", "eps", "curve", "grid"]
    counted = frame.fillna({"eps": -1.0, "norm": ""}).groupby(identity).standing.sum().to_dict()
    told = {}
    for curve, eps in GRIDS:
        world.setting = replace(world.setting, curve=curve, eps=eps)
        for row in rows(world.results(*REQUESTS)[0]):
            if not is_worst(row["attack"]):
                eps_or_none = -1.0 if row["eps"] is None else row["eps"]
                told[tuple({**row, "eps": eps_or_none}[name] for name in identity)] = row["robust"]
    assert counted == told
    assert len(frame) == 130 * len(told)


def test_a_cumulative_curve_counts_what_a_smaller_eps_broke(world: World) -> None:
    frame = image_table(world.store, chapters(world)[:1], model=None, attack="fgsm").frame
    small, large = (frame[frame.eps == eps].set_index("index") for eps in (0.02, 0.1))
    assert large.standing.equals(small.standing & large.standing_alone & large.clean_standing)
    assert (large.standing_alone & large.clean_standing & ~small.standing).any()


def test_a_minimum_norm_attack_breaks_from_its_distance_on(world: World) -> None:
    frame = image_table(world.store, chapters(world)[:1], model=None, attack="fmn").frame
    assert set(frame.eps) == {0.02, 0.1}
    broken = frame.distance <= frame.eps
    assert broken.any()
    assert (frame.distance > frame.eps).any()
    assert frame.standing.equals(frame.clean_standing & ~broken)
    assert (frame.predicted == -1).equals(~broken)
    assert frame.margin.isna().equals(~broken)
    assert (frame.margin[broken] <= 0).all()


def test_kept_images_are_told_by_what_they_do(world: World) -> None:
    kept = kept_images(world.store, chapters(world), model=None, attack=None).arrays
    model = world.loaded.ask(world.models[world.info.weights], world.info.weights, "cpu", lambda model: model)
    predicted = model(torch.from_numpy(kept["attacked"])).argmax(1).numpy()
    assert np.array_equal(predicted, kept["predicted"])
    assert np.array_equal(predicted == kept["label"], kept["standing"])
    names = pd.DataFrame({name: kept[name] for name in ("cell", "index")})
    assert not names.duplicated().any()
