"""The probe: its arrays where the answer is known, and what it leaves behind."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from bench.engine.records import Stored, decode, encode
from bench.engine.result import CellResult
from bench.studies.audit import CHECKS, probe_findings
from bench.studies.audit.probe import PARTS, most_passes, probe
from bench.studies.audit.probe_answers import BATCHINGS
from bench.studies.audit.snapshot import reachable_state, tensors_and_modes
from bench.studies.audit.subject import EPS, LEAST, STEPS
from tests.toys import clean_cell, linear_problem
from zoo.deployment import deploy


def probed(model: nn.Module, x: Tensor, y: Tensor, **options: Any) -> dict[str, np.ndarray]:
    return probe(deploy(model), model, x, y, **{"seed": 0, "full": False, **options})


def statuses(arrays: dict[str, np.ndarray]) -> dict[str, str]:
    return {each.id: each.status for each in probe_findings(arrays)}


@pytest.fixture(scope="module")
def linear() -> tuple[nn.Module, Tensor, Tensor, dict[str, np.ndarray]]:
    model, x, y, _ = linear_problem(n=120)
    return model, x, y, probed(model, x, y)


def test_a_linear_model_in_closed_form(linear) -> None:
    model, x, _, arrays = linear
    weight, n = model.weight.detach().double(), 32
    margins = model(x[:n])[:, 1].double().abs()
    l1 = float(weight.abs().sum())
    assert not [name for name in arrays if name.startswith("fault")]
    np.testing.assert_allclose(arrays["gradient_margin"], l1, rtol=1e-5)
    slope = torch.sigmoid(-margins) * l1  # of log(1 + exp(−margin))
    np.testing.assert_allclose(arrays["gradient_ce"][0], slope, rtol=1e-4)
    np.testing.assert_allclose(arrays["promise"], 1.0, atol=1e-3)
    np.testing.assert_allclose(arrays["trace_loss"][0], -margins, rtol=1e-4)
    # straight down: 2.5·ε/steps a step until the ball's corner, or until the last image breaks
    step = 2.5 * EPS / STEPS
    last = int(torch.ceil(margins.max() / (l1 * step)))
    assert LEAST <= last < STEPS
    gone = np.minimum(step * np.arange(last + 1), EPS)
    np.testing.assert_allclose(
        arrays["trace_loss"] - arrays["trace_loss"][0], l1 * gone[:, None] + np.zeros(n), atol=1e-4
    )
    assert arrays["trace_standing"].shape == (last + 1, n)
    assert not arrays["trace_standing"].all(axis=0).any()
    assert arrays["logits"].shape == (n, 2)
    assert arrays["batch_difference"].shape == (len(BATCHINGS), n)
    assert arrays["normalised_correct"].shape[1] == 120
    assert arrays["normalised_correct"][0].all()


def test_a_linear_model_passes_but_for_its_two_classes(linear) -> None:
    *_, arrays = linear
    flagged = {id for id, status in statuses(arrays).items() if status in ("warn", "fail")}
    assert flagged <= {"C6", "C17", "C31"}  # its margins are small, and so are the changes that flip it
    assert "C6" in flagged


def test_findings_are_in_order_and_of_the_probe(linear) -> None:
    *_, arrays = linear
    assert list(statuses(arrays)) == [id for id, check in CHECKS.items() if check.cost == "probe"]


def test_the_same_seed_gives_the_same_arrays_and_the_store_holds_them(linear) -> None:
    model, x, y, arrays = linear
    again = CellResult(arrays=probed(model, x, y), seconds=0.0, gradients=0)
    stored = decode(encode(Stored(cell=clean_cell(), result=again, provenance={})))
    assert stored.result.digest == CellResult(arrays=arrays, seconds=0.0, gradients=0).digest
    other = CellResult(arrays=probed(model, x, y, seed=1), seconds=0.0, gradients=0)
    assert other.digest != again.digest


def test_a_full_probe_looks_at_more_images(linear) -> None:
    model, x, y, _ = linear
    assert probed(model, x, y, full=True)["logits"].shape == (64, 2)
    assert probed(model, x[:5], y[:5])["logits"].shape == (5, 2)
    assert statuses(probed(model, x[:5], y[:5]))["C31"] == "skip"


class Counted(nn.Module):
    """A classifier that counts its calls and the images of all calls; nothing breaks it where it is ``sure``."""

    def __init__(self, sure: bool) -> None:
        super().__init__()
        self.sure = sure

    def forward(self, x: Tensor) -> Tensor:
        CALLS.append(len(x))
        mean = x.mean((1, 2, 3)) + self.sure
        return torch.stack([mean, -mean, -2 * mean], 1)


CALLS: list[int] = []


@pytest.mark.parametrize(
    ("n", "full", "sure", "most"),
    [
        (8, False, True, 130),
        (8, False, False, 90),
        (32, False, True, 100),
        (100, False, True, 36),
        (64, True, True, 95),
    ],
)
def test_the_probe_asks_no_more_than_it_needs(n: int, full: bool, sure: bool, most: int) -> None:
    x, y = torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.full((n,), int(not sure))
    CALLS.clear()
    arrays = probed(Counted(sure), x, y, full=full)
    assert not [name for name in arrays if name.startswith("fault")]
    assert len(arrays["trace_loss"]) == (STEPS if sure else LEAST) + 1
    assert sum(CALLS) / n <= most
    assert sum(CALLS) <= most_passes(n, full)
    assert sum(CALLS) > 0.8 * most_passes(n, full) or not sure


def random_states() -> tuple[Any, ...]:
    return random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()


def test_the_probe_leaves_everything_as_it_was() -> None:
    class Rude(nn.Module):
        """Draws, reseeds and switches whatever it can."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(64, 2)

        def forward(self, x: Tensor) -> Tensor:
            random.random(), np.random.seed(0), torch.manual_seed(0)
            torch.set_grad_enabled(False)
            torch.set_default_dtype(torch.float64)
            return self.layer(x.flatten(1))

    _, x, y, _ = linear_problem(n=8)
    raw = Rude().train()
    before = tensors_and_modes(raw) | reachable_state(raw), random_states(), x.clone()
    switches = torch.is_grad_enabled(), torch.get_default_dtype()
    arrays = probed(raw, x, y)
    assert (torch.is_grad_enabled(), torch.get_default_dtype()) == switches
    assert (tensors_and_modes(raw) | reachable_state(raw), random_states()) == before[:2]
    assert torch.equal(x, before[2])
    assert {"switch grad mode", "switch default type"} <= set(arrays["changed"])


def test_a_model_that_raises_is_found_and_not_fatal_to_the_probe() -> None:
    class Raises(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise SystemExit("no\nmore")

    class RaisesWithGradients(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if x.requires_grad:
                raise RuntimeError("this model has no gradients")
            return x.flatten(1)[:, :3]

    _, x, y, _ = linear_problem(n=8)
    arrays = probed(Raises(), x, y)
    # what a model prevents counts against it, and the words are kept
    assert {f"fault_{name}" for name in PARTS} - set(arrays) <= {
        "fault_gradients",
        "fault_trace",
        "fault_turned",
        "fault_normalised",  # 8 images are too few to ask it
    }
    assert str(arrays["fault_logits"]) == "SystemExit: no"
    found = statuses(arrays)
    assert all(found[id] == "fail" for id in ("C1", "C2", "C4", "C5", "C21", "C24", "C25", "C30"))
    arrays = probed(RaisesWithGradients(), x, y)
    found = statuses(arrays)
    assert str(arrays["gradient_fault"]) == "RuntimeError: this model has no gradients"
    assert found["C4"] == "fail"
    assert {found[id] for id in ("C3", "C15", "C22", "C32")} == {"skip"}
    assert {found[id] for id in ("C1", "C5", "C21", "C24", "C25", "C30")} == {"pass"}


def test_the_zoo_declares_its_symmetry() -> None:
    assert zoo.load("equivariant_gcnn_4").symmetry == "p4"  # type: ignore[union-attr]
    assert zoo.load("parallel_gcnn_4").symmetry is None  # type: ignore[union-attr]


class Sums(nn.Module):
    """Invariant to every turn and mirror image."""

    symmetry: Any = "p4m"

    def forward(self, x: Tensor) -> Tensor:
        total = x.double().sum((1, 2, 3))
        return torch.stack([total, -total, total**2], 1)


@pytest.mark.parametrize(("declared", "elements"), [("p4", 3), ("p4m", 7), (None, None), (4, None)])
def test_a_declared_group_is_held_to(declared: Any, elements: int | None) -> None:
    _, x, y, _ = linear_problem(n=6)
    model = Sums()
    model.symmetry = declared
    arrays = probed(model, x, y)
    assert statuses(arrays)["C29"] == ("skip" if elements is None else "pass")
    if elements is not None:
        assert arrays["turned_difference"].shape == (elements, 6)


def test_an_unknown_group_is_said_to_be_unknown() -> None:
    _, x, y, _ = linear_problem(n=6)
    arrays = probed(Sums(), x, y, group="p6")
    assert "p6" in str(arrays["fault_turned"])
    assert statuses(arrays)["C29"] == "skip"


@pytest.mark.parametrize(
    ("state", "change"),
    [
        ({"a": [1, {2}]}, lambda s: s["a"][1].add(3)),
        (np.zeros(3), lambda s: s.__setitem__(0, 1)),
        (torch.zeros(3), lambda s: s.add_(1)),
        (torch.Generator(), lambda s: torch.rand(1, generator=s)),
        (np.random.default_rng(0), lambda s: s.random()),
        (random.Random(0), lambda s: s.random()),
        ([nn.Linear(2, 2)], lambda s: s[0].weight.data.zero_()),
    ],
)
def test_a_fingerprint_sees_every_kind_of_state(state: Any, change: Any) -> None:
    model = nn.Identity()
    model.kept = state
    before = reachable_state(model)
    assert reachable_state(model) == before
    change(state)
    assert reachable_state(model) != before
