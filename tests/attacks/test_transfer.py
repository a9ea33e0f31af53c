"""Results of the attack ``transfer`` are of the surrogate's weights, not of its name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.attacks import Request, parse_requests
from bench.attacks.with_symbench import transfer
from bench.engine.driver import Driver, lane_results
from bench.engine.executors import InProcess
from bench.errors import CellError, UsageError
from tests.engine.test_run import World
from zoo import data, registry

NAME, SHIPPED = "digits/baseline_cnn", registry.find("baseline_cnn", "digits")
AGAIN = replace(registry.find("baseline_cnn.pgd_at", "digits"), name="baseline_cnn")
CALL = {"norm": "linf", "eps": 0.1, "alpha": 0.02, "steps": 3, "random_start": False}


def train_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the surrogate had been trained once more: other weights under the same name."""
    find = registry.find
    monkeypatch.setattr(
        registry,
        "find",
        lambda name, dataset, *rest: AGAIN if name == "baseline_cnn" else find(name, dataset, *rest),
    )


def asked(**params: str) -> Request:
    (request,) = parse_requests(["transfer"], params=params)
    return request


def test_a_request_says_the_weights_of_its_surrogate(monkeypatch: pytest.MonkeyPatch) -> None:
    named = f"{NAME}#{SHIPPED.sha256[:16]}"
    assert dict(asked().params)["surrogate"] == named
    assert asked(surrogate=NAME) == asked(surrogate=f"{NAME}@0") == asked(surrogate=named) == asked()
    train_again(monkeypatch)
    assert dict(asked().params)["surrogate"] == f"{NAME}#{AGAIN.sha256[:16]}"
    assert dict(asked(surrogate=named).params)["surrogate"] == named


@pytest.mark.parametrize(
    ("surrogate", "words"),
    [
        ("baseline_cnn", "is no DATASET/NAME"),
        ("digits/resnet", "unknown model 'resnet'"),
        ("nowhere/baseline_cnn", "no weights of baseline_cnn for nowhere"),
    ],
)
def test_an_unknown_surrogate_is_refused_before_anything_runs(surrogate: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        asked(surrogate=surrogate)
    assert repr(surrogate) in str(caught.value)
    assert "\n" not in str(caught.value)
    digits = data.load("digits", "test")
    with pytest.raises(CellError, match=words):
        transfer(torch.nn.Identity(), digits.images(0, 2), digits.targets(0, 2), surrogate=surrogate, **CALL)


def test_other_weights_under_the_same_name_attack_in_the_same_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    digits = data.load("digits", "test")
    x, y = digits.images(0, 4), digits.targets(0, 4)

    def attacked(surrogate: str) -> torch.Tensor:
        return transfer(torch.nn.Identity(), x, y, surrogate=surrogate, **CALL)

    before = attacked(NAME)
    train_again(monkeypatch)
    after = attacked(NAME)
    assert not torch.equal(before, after)
    assert torch.equal(attacked(f"{NAME}#{SHIPPED.sha256[:16]}"), before)  # still loaded
    with pytest.raises(CellError, match="are not those of 0123; run again"):
        attacked(f"{NAME}#0123")


def test_what_old_weights_were_measured_with_is_not_taken_for_the_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(20)
    digits = data.load("digits", "test")
    world.data.x, world.data.labels = digits.images(0, 20), np.asarray(digits.labels[:20])
    world.loaded.keep_model(world.info.weights, "cpu", registry.load_record(SHIPPED))

    def run(request: Request) -> list[str]:
        (lane,) = world.lanes(request)
        driver = Driver(world.store, InProcess(world.loaded), world.models, world.source)
        assert driver.run([lane]) == ()
        return [stored.result.digest for stored in lane_results(world.store, lane)]

    before = run(asked())
    train_again(monkeypatch)
    after = run(asked())
    assert before[0] == after[0]
    assert before[1:] != after[1:]
