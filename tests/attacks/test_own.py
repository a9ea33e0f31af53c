"""A user's own attack is called, verified, stored and ranked like any other, and harms no other measurement."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch
from torch import nn

import bench
import zoo
from bench.attacks import parse_requests
from bench.errors import CellError, UsageError
from bench.inputs.own_attacks import description, find_attack
from bench.leaderboard.file import read
from bench.leaderboard.members import request_of
from tests.own import call
from zoo import data

DOCUMENT = Path(__file__).parents[2] / "docs" / "own_attack.md"
ATTACKS = '''
import torch

def corner(model, x, y, eps, norm, steps=3, up=True, alpha=None):
    """The upper or lower corner of every ball."""
    return (x + (eps if up else -eps)).clamp(0, 1)
def fails(model, x, y, eps, norm): raise ValueError("no such thing")
def nothing(model, x, y, eps, norm): return None
def narrow(model, x, y, eps, norm): return x[..., 1:]
def nan(model, x, y, eps, norm): return x * float("nan")
def outside(model, x, y, eps, norm): return (x + 3 * eps).clamp(0, 1)
def deceives(model, x, y, eps, norm):
    """Changes all that it is given, so that a judge who looked there would find every image broken and near."""
    for parameter in model.parameters():
        parameter.data.zero_()
    model.register_forward_hook(lambda *_: torch.eye(10)[1].repeat(len(x), 1))
    x += 0.5
    y += 1
    torch.set_grad_enabled(False)
    return x - 0.5
def exits(model, x, y, eps, norm):
    import os
    os._exit(3)
def two(model, images): return images
def no_default(model, x, y, eps, norm, depth): return x
def odd_default(model, x, y, eps, norm, depth=()): return x
def of_the_judge(model, x, y, eps, norm, restarts=2): return x
'''
IMPORTING = "from shifting import shift\ndef corner(model, x, y, eps, norm): return shift(x, eps)\n"
HELPER = "def shift(x, by): return (x + by).clamp(0, 1)\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(ATTACKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def described(name: str) -> tuple[dict[str, object], str]:
    found = find_attack(name)
    assert found is not None
    return description(found)


@pytest.mark.usefixtures("place")
def test_parameters_are_those_of_the_signature_and_of_the_judge() -> None:
    (request,) = parse_requests(["mine.py:corner"], params={"steps": 5, "restarts": 2}, norm="l2")
    params = dict(request.params)
    assert (request.attack, request.library, request.norm, request.label) == (
        "mine:corner",
        "own",
        "l2",
        "mine:corner",
    )
    assert re.fullmatch("[0-9a-f]{16}", str(params.pop("code")))
    assert params == {"steps": 5, "up": True, "alpha": None, "restarts": 2, "best_iterate": False}
    assert dict(request.params_at(0.5))["alpha"] == 2.5 * 0.5 / 5
    assert "source" not in request.stored()
    with pytest.raises(
        UsageError, match=r"^--queries was given, which no requested attack takes \(mine:corner\)"
    ):
        parse_requests(["mine.py:corner"], params={"queries": 5})


def test_code_that_is_imported_counts(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "mine.py").write_text(IMPORTING)
    found = []
    for helper in (HELPER, HELPER, HELPER.replace("clamp(0, 1)", "clamp(0.1, 1)")):
        (place / "shifting.py").write_text(helper)
        found.append(described("mine.py:corner")[1])
        monkeypatch.delitem(sys.modules, "shifting")
    assert found[0] == found[1] != found[2]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mine.py", "'mine.py' names a file but no attack; write mine.py:FUNCTION"),
        ("his.py:corner", "no attack file 'his.py'; give --attacks path/to/file.py:function"),
        ("mine.py:korner", "'mine.py' has no function 'korner'; nearest: corner"),
        ("mine.py:two", "attack 'mine:two' takes (model, images); it must take (model, x, y, eps, norm) first"),
        ("mine.py:no_default", "parameter 'depth' of attack 'mine:no_default' needs a default that is a number"),
        ("mine.py:odd_default", "parameter 'depth' of attack 'mine:odd_default' needs a default that is a number"),
        ("mine.py:of_the_judge", "attack 'mine:of_the_judge' has a parameter 'restarts', which is the harness's own"),
    ],
)  # fmt: skip
def test_what_cannot_be_called_is_refused_in_one_sentence(name: str, said: str) -> None:
    with pytest.raises(UsageError, match="^" + re.escape(said)):
        described(name)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fails", "attack mine:fails raised ValueError: no such thing"),
        ("nothing", "attack 'mine:nothing' gave a NoneType; it must give a tensor of images"),
        ("narrow", "attack 'mine:narrow' gave images of shape (5, 1, 16, 15); it must give (5, 1, 16, 16)"),
        ("nan", "5 of 5 attacked images hold pixels that are not finite"),
        ("outside", "an attacked image lies 0.02 outside its linf ball of radius 0.01"),
    ],
)
def test_a_failing_attack_is_named_in_one_sentence(name: str, said: str) -> None:
    x, y = torch.full((5, 1, 16, 16), 0.5), torch.zeros(5, dtype=torch.int64)
    with pytest.raises(CellError, match=re.escape(said)):
        bench.evaluate(Right(), x, y, attacks=[f"mine.py:{name}"], eps=0.01)


class Right(nn.Module):
    """Gives the label 0 to every image that is not brighter than 0.55 in the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([self.weight * (0.55 - x.mean((1, 2, 3))), *[0 * x.sum((1, 2, 3))] * 9], dim=1)


@pytest.mark.usefixtures("place")
def test_closed_form_and_the_name_in_results() -> None:
    x, y = torch.full((5, 1, 16, 16), 0.5), torch.zeros(5, dtype=torch.int64)
    results = bench.evaluate(Right(), x, y, attacks=["mine.py:corner"], eps=[0.04, 0.06])
    (curve,) = results.models[0].curves
    assert curve.standing.sum(axis=1).tolist() == [5, 0]
    rows = bench.leaderboard_rows(results)
    assert [row["robust_acc"] for row in rows if row["attack"] == "mine:corner"] == [1.0, 0.0]
    assert {request_of(row) for row in rows if row["library"] == "own==1"} == {curve.request}


@pytest.mark.usefixtures("place")
def test_what_an_attack_does_to_model_and_images_is_not_what_is_judged() -> None:
    x, y = torch.full((5, 1, 16, 16), 0.4), torch.zeros(5, dtype=torch.int64)
    model = Right()
    results = bench.evaluate(model, x, y, attacks=["mine.py:deceives", "fgsm"], eps=0.01, independent=True)
    assert [int(curve.standing.sum()) for curve in results.models[0].curves] == [5, 5]
    assert model.weight.item() == 1
    assert torch.is_grad_enabled()


@pytest.mark.processes
def test_a_process_that_ends_fails_its_own_cells_only(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("run", "--model", "baseline_cnn_4", "--attacks", "mine.py:exits,fgsm", "--eps", "0.02", "--n", 8,
             "--store", place / "s", "--leaderboard", place / "l.csv", "--reports", place / "r",
             "--workers", 1)  # fmt: skip
    answer = call(capsys, *words)
    assert answer.code == 1
    assert (
        "bench: failed: baseline_cnn_4, mine:exits (own==1) at ε 0.02, images 0–7: its worker process"
        in answer.err
    )
    assert [row["attack"] for row in read(place / "l.csv")] == ["fgsm"]


@pytest.mark.usefixtures("place")
def test_an_installed_package_brings_attacks(monkeypatch: pytest.MonkeyPatch) -> None:
    point = metadata.EntryPoint("cornered", "mine:corner", "symbench.attacks")
    monkeypatch.setattr(
        metadata, "entry_points", lambda group: [point] if group == "symbench.attacks" else []
    )
    found = find_attack("cornered")
    assert found is not None
    params, code = description(found)
    assert params == {"steps": 3, "up": True, "alpha": None}
    assert len(code) == 16
    assert found.name == "cornered"


def test_the_documented_example_breaks_the_defence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Gradients of the defended model are 0, so only what goes around them finds the images that it leaves."""
    monkeypatch.chdir(tmp_path)
    for name, code in re.findall(r"`(\w+\.py)`:\n\n```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL):
        Path(name).write_text(code)
    digits = data.load("digits", "train")
    torch.save({"2.weight": _prototypes(digits), "2.bias": _offsets(digits)}, "rounded.pt")
    answer = call(
        capsys, "run", "--model", "rounded.py:defended", "--weights", "rounded.pt",
        "--attacks", "bpda.py:attack,noise", "--eps", "0.15", "--n", 60, "--workers", 1,
        "--store", "s", "--leaderboard", "l.csv", "--reports", "r",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    rows = {row["attack"]: row for row in read(Path("l.csv"))}
    assert rows["bpda:attack"]["robust_acc"] < rows["noise"]["robust_acc"] - 0.3
    assert set(rows) == {"bpda:attack", "noise", "worst(bpda:attack,noise)"}
    again = call(capsys, "report", "--store", "s", "--reports", "again")  # without the code
    assert again.code == 0, again.err
    assert "bpda:attack (steps 40)" in Path("again/digits.html").read_text()


def _prototypes(digits: zoo.data.Dataset) -> torch.Tensor:
    """The mean image of every class: the nearest one is a linear classifier."""
    x, y = digits.images(0, len(digits)).flatten(1), digits.targets(0, len(digits))
    return torch.stack([x[y == k].mean(0) for k in range(10)])


def _offsets(digits: zoo.data.Dataset) -> torch.Tensor:
    return -0.5 * _prototypes(digits).square().sum(1)
