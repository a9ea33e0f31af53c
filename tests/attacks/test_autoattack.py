"""AutoAttack of 10 steps is torchattacks' own image for image, and that of 100 finds what its authors' code finds."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
import torchattacks
from torch import Tensor, nn
from torchattacks.attacks import autoattack as parts

import bench
import zoo
from bench.attacks import adapter, library_version, parse_requests
from bench.engine.balls import distance
from tests.sparse_problem import far_problem
from tests.torchattacks_calls import blocks_problem
from zoo import data

MODELS = ("baseline_cnn_4", "equivariant_gcnn_4")
ORACLE_IMAGES = 30
EPS = 0.07  # where, of the first digits, some stand and some fall
OURS = adapter("autoattack", "torchattacks")


@functools.cache
def deployed(name: str) -> nn.Module:
    return zoo.deploy(zoo.load(name))


def images(name: str, n: int) -> tuple[Tensor, Tensor]:
    """Those of the first n digits that the model classifies rightly."""
    digits = data.load("digits", "test")
    x, y = digits.images(0, n), digits.targets(0, n)
    right = deployed(name)(x).argmax(1) == y
    return x[right], y[right]


@pytest.fixture(params=[100, pytest.param(5000, marks=pytest.mark.slow)])
def _queries(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queries of Square inside AutoAttack: its own 5,000, or fewer so that a test takes a second."""
    square = parts.Square
    monkeypatch.setattr(
        parts, "Square", lambda *args, **own: square(*args, **own | {"n_queries": request.param})
    )


@pytest.mark.usefixtures("_queries")
@pytest.mark.parametrize("name", [MODELS[0], pytest.param(MODELS[1], marks=pytest.mark.slow)])
def test_images_and_standing_are_the_librarys_own_bit_for_bit(name: str) -> None:
    model, (x, y) = deployed(name), images(name, 10)
    with torch.random.fork_rng(devices=[]):
        attack = torchattacks.AutoAttack(model, norm="Linf", eps=EPS, n_classes=10, seed=0)
        expected = attack(x, y).detach()
        assert torch.equal(OURS(model, x, y, norm="linf", eps=EPS, steps=10, seed=0), expected)
    stands = (model(expected).argmax(1) == y).numpy()
    assert 0 < stands.sum() < len(x)
    results = bench.evaluate(zoo.load(name), x, y, attacks=["autoattack10"], eps=EPS, independent=True)
    assert np.array_equal(results.models[0].curves[0].standing[0], stands)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_fewer_images_stand_than_after_pgd(name: str) -> None:
    """A fact of these images taken together. Nothing guarantees it, least of all for one image: its parts take
    10 steps and PGD 20, and of the first ten digits PGD breaks one more of ``baseline_cnn_4``."""
    x, y = images(name, 60)
    results = bench.evaluate(zoo.load(name), x, y, attacks=["pgd", "autoattack10"], eps=EPS, independent=True)
    standing = {curve.request.attack: int(curve.standing.sum()) for curve in results.models[0].curves}
    assert 0 < standing["autoattack"] < standing["pgd"]


def test_the_name_alone_is_the_published_attack_and_the_librarys_own_has_another() -> None:
    (published,), (librarys,) = (parse_requests([name], params={}) for name in ("autoattack", "autoattack10"))
    assert (published.label, librarys.label) == ("autoattack", "autoattack10")
    assert (published.attack, dict(published.params)) == ("autoattack", {"steps": 100})
    assert (librarys.attack, dict(librarys.params)) == (
        "autoattack",
        {"steps": 10},
    )  # as in rows written before
    (other,) = parse_requests(["autoattack10"], params={"steps": 25})
    assert other == parse_requests(["autoattack"], params={"steps": 25})[0]
    assert other.label == "autoattack"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "norm", "eps", "own"),
    [("torchattacks", "linf", EPS, {"seed": 0}), ("symbench", "l1", 2.0, {})],
)
def test_the_published_attack_leaves_what_its_authors_code_leaves(
    library: str, norm: str, eps: float, own: dict[str, int]
) -> None:
    authors = pytest.importorskip("pyautoattack")
    model, (x, y) = deployed("baseline_cnn_4"), images("baseline_cnn_4", ORACLE_IMAGES)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ours = adapter("autoattack", library)(model, x, y, norm=norm, eps=eps, steps=100, **own)
        attack = authors.AutoAttack(model, norm=norm.capitalize(), eps=eps, seed=0, version="standard")
        theirs, _ = attack.run_standard_evaluation(x, y, batch_size=len(x))
    left, expected = (int((model(attacked).argmax(1) == y).sum()) for attacked in (ours, theirs))
    assert 0 < expected < len(x)
    assert abs(left - expected) <= 1


@pytest.mark.parametrize("steps", [10, 25])
def test_steps_reach_every_part_that_has_them(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def watched(self: Any, images: Tensor, labels: Tensor) -> Tensor:
        seen.extend((part.attack, getattr(part, "steps", None)) for part in self._autoattack.attacks)
        return images

    monkeypatch.setattr(torchattacks.AutoAttack, "forward", watched)
    OURS(deployed(MODELS[0]), *images(MODELS[0], 2), norm="linf", eps=EPS, steps=steps, seed=0)
    assert seen == [("APGD", steps), ("APGDT", steps), ("FAB", steps), ("Square", None)]


@pytest.mark.usefixtures("_queries")
@pytest.mark.parametrize("version", ["plus", "rand"])
def test_other_versions_are_the_librarys_own_bit_for_bit(version: str) -> None:
    model, (x, y) = deployed(MODELS[0]), images(MODELS[0], 6)
    call = adapter(f"autoattack_{version}", "torchattacks")
    with torch.random.fork_rng(devices=[]):
        attack = torchattacks.AutoAttack(model, norm="Linf", eps=EPS, n_classes=10, seed=0, version=version)
        expected = attack(x, y).detach()
        assert torch.equal(call(model, x, y, norm="linf", eps=EPS, steps=10, seed=0), expected)
    assert 0 < int((model(expected).argmax(1) == y).sum()) < len(x)


@pytest.mark.parametrize("classes", [5, 12])
def test_in_l1_it_leaves_what_the_closed_form_of_a_linear_model_leaves(
    classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.attacks.autoattack_l1.QUERIES", 100)
    model, x, y, _ = blocks_problem(classes, 24)
    logits = model(x)
    gap = logits.gather(1, y[:, None]) - logits
    slope = (model.weight[y][:, None] - model.weight[None]).abs().amax(2)
    radius = (gap / slope).scatter(1, y[:, None], torch.inf).amin(1)
    for share in (0.7, 1.2):
        eps = share * float(radius.median())
        results = bench.evaluate(model, x, y, attacks=["autoattack"], norm="l1", eps=eps, steps=20)
        curve = results.models[0].curves[0]
        assert curve.library == library_version("symbench", "autoattack")
        sure = (radius - eps).abs() > 1e-4 * eps
        assert np.array_equal(curve.standing[0][sure.numpy()], (radius > eps)[sure].numpy())


def test_the_parts_in_l1_find_a_far_boundary() -> None:
    """FAB-T to 1 %, and Square, which knows no gradient, within twice the distance; neither leaves the ball."""
    model, x, y, exact = far_problem(16)
    for name, library, slack, own in (
        ("fab_t", "torchattacks", 0.01, {"steps": 100}),
        ("square", "symbench", 0.55, {"queries": 4000}),
    ):
        eps = float(exact["l1"].median()) / (1 - slack)
        found = adapter(name, library)(model, x, y, norm="l1", eps=eps, **own)
        wrong = model(found).argmax(1) != y
        assert float(distance(x, found, "l1").max()) <= eps * (1 + 1e-5)
        assert wrong[exact["l1"] < (1 - slack) * eps].all()
        assert not wrong[exact["l1"] > eps].any()
