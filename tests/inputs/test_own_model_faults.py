"""One's own models that gradient attacks cannot attack, or that change what is not theirs, from the command line."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import bench
from bench.attacks import ATTACKS
from bench.inputs import switches
from bench.inputs.sources import ModelSource, find_model
from tests import own_faulty
from tests.own import Answer, call
from tests.toys import marks_of
from zoo import notes

Capture = pytest.CaptureFixture[str]
GRADIENT_FREE = (
    "detached", "rounds", "through_numpy", "one_hot", "no_grad", "inference", "refuses", "quantised"
)  # fmt: skip


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the model file in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bench.studies.attacked.study.write_page", lambda *_: None)
    monkeypatch.setattr(notes, "_said", {})
    shutil.copy(own_faulty.__file__, tmp_path / "faulty.py")
    return tmp_path


def run(capsys: Capture, factory: str, *words: Any) -> Answer:
    return call(
        capsys, "run", "--workers", 1, "--n", 12, "--eps", 0.1, "--model", f"faulty.py:{factory}", *words
    )


def refused(capsys: Capture, factory: str, *fragments: str) -> None:
    answer = run(capsys, factory)
    assert (answer.code, answer.out, len(answer.err.splitlines())) == (2, "", 1), answer
    assert answer.err.startswith("bench: error: ")
    assert not [fragment for fragment in fragments if fragment not in answer.err], answer.err
    assert not Path("leaderboard.csv").exists()


@pytest.mark.parametrize("factory", GRADIENT_FREE)
def test_gradient_attacks_on_a_model_without_gradients_are_refused(
    factory: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: Any) -> None:
        raise AssertionError("something was measured")

    monkeypatch.setattr("bench.attacks.measure.measure", forbidden)
    remedy = "use square, noise, hopskipjump, spsa, spatial_grid or spatial_random, which need none"
    refused(
        capsys, factory, f"'faulty:{factory}' gives no gradients", "so fgsm and pgd cannot attack it", remedy,
        "let bench audit say",
    )  # fmt: skip


@pytest.mark.parametrize("factory", ["detached", "inference", "quantised"])
def test_the_attacks_that_the_refusal_names_attack_it(factory: str, capsys: Capture) -> None:
    attacks = "square,noise,spatial_grid,spatial_random" if factory == "detached" else "square"
    answer = run(capsys, factory, "--attacks", attacks, "--queries", 5, "--json")
    assert answer.code == 0, answer.err
    rows = json.loads(answer.out)
    found = {row["attack"] for row in rows if not row["attack"].startswith("worst(")}
    assert found == set(attacks.split(","))
    assert all(row["gradients"] == 0 for row in rows)


@pytest.mark.parametrize(
    "key", [pytest.param(key, id=":".join(key), marks=marks_of(spec)) for key, spec in ATTACKS.items()]
)
def test_the_table_says_which_attacks_need_gradients(key: tuple[str, str]) -> None:
    spec = ATTACKS[key]
    torch.manual_seed(0)
    coloured = spec.name == "ti_fgsm"  # takes three channels only
    size = (3, 3, 16, 16) if coloured else (3, 1, 16, 16)
    net, cut = (make(math.prod(size[1:])) for make in (own_faulty.Net, own_faulty.Detached))
    cut.load_state_dict(net.state_dict())
    x = torch.rand(size)
    norm = (*spec.norms, "linf")[0]
    given: dict[str, Any] = {
        "attacks": f"{spec.library}:{spec.name}",
        "eps": {"l0": 8, "l1": 100}.get(norm, 0.5),  # AutoAttack's 5,000 squares in L1 are left nothing to do
        "norm": norm,
    }
    few = {"steps": 2, "queries": 5, "rotations": 3, "translations": 1, "draws": 2}
    given |= {name: value for name, value in few.items() if name in spec.params}
    y = net(x).argmax(1)
    (row,) = bench.leaderboard_rows(bench.evaluate(net, x, y, **given))
    assert row["clean_right"] == 3
    assert (row["gradients"] > 0) == spec.gradients
    if spec.gradients:
        with pytest.raises(
            bench.UsageError, match=f"so {row['attack']} cannot attack it|so .*:{spec.name} cannot"
        ):
            bench.evaluate(cut, x, y, **given)
    else:
        (same,) = bench.leaderboard_rows(bench.evaluate(cut, x, y, **given))
        assert same["robust"] == row["robust"]


def test_an_audit_says_that_the_graph_is_cut(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.studies.attacked.audits.study.write_page", lambda *_: None)
    words = ("--n", 8, "--eps", 0.1, "--model", "faulty.py:quantised", "--json")
    answer = call(capsys, "audit", "--workers", 1, *words)
    (audit,) = json.loads(answer.out)
    assert audit["verdict"] == "not_believable"
    assert {check["id"]: check["status"] for check in audit["checks"]}["C4"] == "fail"


def test_a_model_that_changes_its_images_is_measured_on_copies(capsys: Capture) -> None:
    outcomes = []
    for factory in ("in_place", "halved"):
        answer = run(capsys, factory, "--json")
        assert answer.code == 0, answer.err
        outcomes.append(
            [(row["clean_right"], row["robust"], row["digest"]) for row in json.loads(answer.out)]
        )
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("factory", ["scripted", "traced"])
def test_torchscript_is_measured_as_what_it_was_made_of(factory: str, capsys: Capture) -> None:
    found = [json.loads(run(capsys, name, "--json").out) for name in ("net", factory)]
    assert [row["robust"] for row in found[0]] == [row["robust"] for row in found[1]]
    assert found[0][0]["weights"] != found[1][0]["weights"]


def test_two_quantised_models_are_told_apart() -> None:
    source, info = find("quantised")
    other: Any = source.build()
    assert source.digest(other) == info.weights
    weight, bias = other.layer.weight(), other.layer.bias()
    doubled = torch.quantize_per_tensor(2 * weight.dequantize(), 2 * weight.q_scale(), 0, torch.qint8)
    assert torch.equal(doubled.int_repr(), weight.int_repr())
    other.layer.set_weight_bias(doubled, bias)
    assert source.digest(other) != info.weights


def find(factory: str) -> tuple[ModelSource, Any]:
    return find_model(f"faulty.py:{factory}", dataset="digits", weights=None, weights_from=None)


def test_a_model_in_float64_says_so(capsys: Capture) -> None:
    single, double = (json.loads(run(capsys, name, "--json").out) for name in ("net", "double"))
    assert [row["robust"] for row in single] == [row["robust"] for row in double]
    assert ["precision=float64" in row["versions"] for row in single + double] == 3 * [False] + 3 * [True]


def test_a_model_in_half_precision_is_told_what_to_do(capsys: Capture) -> None:
    refused(capsys, "half", "it computes in bfloat16", "ε no longer holds", "x.to(torch.bfloat16)")


def test_a_factory_that_exits_is_named(capsys: Capture) -> None:
    refused(capsys, "exits", "the factory of 'faulty:exits' called sys.exit(3)")


def test_what_a_factory_changes_is_put_back(capsys: Capture, place: Path) -> None:
    (place / "elsewhere").mkdir()
    answer = run(capsys, "moves", "--json")
    assert answer.code == 0, answer.err
    (note,) = [line for line in answer.err.splitlines() if line.startswith("note: the factory")]
    assert note == (
        "note: the factory of 'faulty:moves' changed the working directory and the default dtype and the number of "
        "threads and the grad mode and the deterministic flags and the precision of matrix products and the flags "
        "of cuDNN; put back as before"
    )
    assert Path(os.getcwd()) == place
    assert torch.get_default_dtype() == torch.float32
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == 1
    assert torch.is_grad_enabled()
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cudnn.benchmark
    assert (place / "leaderboard.csv").exists()


def test_the_random_states_that_a_factory_seeds_are_put_back(place: Path, capsys: Capture) -> None:
    (place / "elsewhere").mkdir()

    def states() -> tuple[Any, ...]:
        return random.getstate(), torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()  # type: ignore

    before = states()
    for _ in range(2):
        with switches.put_back("it"):
            own_faulty.moves()
        assert states() == before
    assert capsys.readouterr().err.count("note: it changed the working directory") == 1


def test_paths_are_those_of_when_they_were_read(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    source, info = find("net")
    (place / "elsewhere").mkdir()
    monkeypatch.chdir(place / "elsewhere")
    assert source.digest(source.build()) == info.weights
