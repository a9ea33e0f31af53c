"""Kinds of weights files: the place of the state dictionary, its names, and the entries beside it."""

from __future__ import annotations

import pickle
from argparse import Namespace
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench.errors import UsageError
from bench.inputs.checkpoint import load_weights
from tests.inputs.test_published_resnet import RESNET
from tests.zoo.test_cifar import SHARED
from zoo import notes

Capture = pytest.CaptureFixture[str]


def network(seed: int = 0) -> nn.Module:
    """A trunk with batch norm, and a head."""
    torch.manual_seed(seed)
    trunk = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
    return nn.Sequential(OrderedDict(trunk=trunk, head=nn.Linear(4, 3)))


STATE = network(seed=1).state_dict()
OPTIMISER = torch.optim.Adam(network().parameters()).state_dict()
BESIDE = {
    "epoch": 7,
    "best": np.float64(0.5),
    "steps": np.int64(3),
    "args": Namespace(lr=0.1, where=Path("runs"), sizes=[1, 2]),
    "optimizer": OPTIMISER,
    "accuracy": torch.tensor(0.9),
}


def under(prefix: str) -> dict[str, Any]:
    return {prefix + key: value for key, value in STATE.items()}


ALL = "'epoch', 'best', 'steps', 'args', 'optimizer', 'accuracy' ignored"
DIALECTS: dict[str, tuple[dict[str, Any], str]] = {
    "plain": (dict(STATE), ""),
    "ordered": (STATE, ""),
    "state_dict": ({"state_dict": STATE}, ""),
    "model": ({"model": STATE}, ""),
    "model_state_dict": ({"model_state_dict": STATE}, ""),
    "net": ({"net": STATE}, ""),
    "ema": ({"ema": STATE}, ""),
    "nested once": ({"model": {"state_dict": STATE}}, ""),
    "average nested once": ({"ema": {"state_dict": STATE, "updates": 5}}, "'ema.state_dict' taken, 'updates' ignored"),
    "of DataParallel": (under("module."), "'module.' stripped"),
    "compiled": (under("_orig_mod."), "'_orig_mod.' stripped"),
    "of Lightning": (
        {"state_dict": under("model."), "epoch": 3},
        "'state_dict' taken, 'epoch' ignored, 'model.' stripped",
    ),
    "two prefixes": (under("module._orig_mod."), "'module._orig_mod.' stripped"),
    "all beside": ({"net": STATE, **BESIDE}, f"'net' taken, {ALL}"),
    "all beside and prefix": ({"net": under("module."), **BESIDE}, f"'net' taken, {ALL}, 'module.' stripped"),
    "numbers among tensors": ({**STATE, "epoch": np.float32(2)}, "'epoch' ignored"),
    "average beside": ({"model": STATE, "ema": network().state_dict()}, "'model' taken, 'ema' ignored"),
    "without counters": ({k: v for k, v in STATE.items() if "tracked" not in k}, ""),
}  # fmt: skip


@pytest.mark.parametrize("case", DIALECTS)
def test_a_dialect_fills_the_model_and_is_said(
    case: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "_said", {})
    content, said = DIALECTS[case]
    torch.save(content, tmp_path / "w.pt")
    model = network()
    load_weights(model, tmp_path / "w.pt", "m")
    for key, value in model.state_dict().items():
        assert torch.equal(value, STATE[key]), key
    assert capsys.readouterr().err == (f"note: w.pt: {said}\n" if said else "")


def test_a_prefix_of_the_models_own_stays(tmp_path: Path, capsys: Capture) -> None:
    model = nn.ModuleDict({"module": network()})
    torch.save(under("module."), tmp_path / "w.pt")
    load_weights(model, tmp_path / "w.pt", "m")
    assert torch.equal(model["module"].state_dict()["head.bias"], STATE["head.bias"])
    assert capsys.readouterr().err == ""


def one_layer_more() -> dict[str, Any]:
    return {**under("module."), "module.head.scale": torch.ones(3)}


def renamed() -> dict[str, Any]:
    return {key.replace("head", "heads"): value for key, value in STATE.items()}


UNFIT = {
    "another model": (
        {"other": torch.zeros(2)},
        (
            "it lacks 9 of the model's 9 tensors and holds 1 others; missing: 'trunk.0.weight', 'trunk.0.bias', "
            "'trunk.1.weight'"
        ),
    ),
    "nearly": (
        renamed(),
        (
            "it lacks 2 of the model's 9 tensors and holds 2 others; missing: 'head.weight' (it has 'heads.weight'), "
            "'head.bias' (it has 'heads.bias')"
        ),
    ),
    "one more, and a prefix": (
        one_layer_more(),
        "it has all of its tensors and holds 1 others; unknown: 'head.scale'",
    ),
    "other classes": (
        {**STATE, "head.weight": torch.zeros(10, 4), "head.bias": torch.zeros(10)},
        "'head.weight' is (10, 4) and not (3, 4), 'head.bias' is (10,) and not (3,); build the network with 10 classes",
    ),
}


@pytest.mark.parametrize("case", UNFIT)
def test_names_that_do_not_fit_are_told_by_the_nearest(case: str, tmp_path: Path) -> None:
    content, said = UNFIT[case]
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(UsageError) as caught:
        load_weights(network(), tmp_path / "w.pt", "m")
    assert str(caught.value) == f"{str(tmp_path / 'w.pt')!r} does not fit model 'm': {said}"


class Springs:
    """A pickle that would run code, as an allowed type's state or by itself."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


@pytest.mark.parametrize("place", ["args", "best", "inside args"])
def test_what_lies_beside_runs_no_code(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    beside = {"args": Namespace(lr=Springs())} if place == "inside args" else {place: Springs()}
    torch.save({"state_dict": STATE, **beside}, tmp_path / "w.pt")
    with pytest.raises(UsageError, match="no weights file that can be read safely"):
        load_weights(network(), tmp_path / "w.pt", "m")
    assert not Path("executed").exists()
    pickle.loads(pickle.dumps(Springs()))
    assert Path("executed").exists()


def test_what_is_allowed_beside_is_allowed_nowhere_else(tmp_path: Path) -> None:
    before = set(torch.serialization.get_safe_globals())  # torch keeps them in no order
    torch.save({"state_dict": STATE, **BESIDE}, tmp_path / "w.pt")
    load_weights(network(), tmp_path / "w.pt", "m")
    assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_a_file_without_tensors_and_a_whole_model_are_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "model": {"lr": 0.1}}, tmp_path / "w.pt")
    with pytest.raises(UsageError, match="holds no state dictionary, by itself or under state_dict, model"):
        load_weights(network(), tmp_path / "w.pt", "m")
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "s.pt")
    with pytest.raises(UsageError, match=r"a TorchScript archive.*torch\.jit\.load"):
        load_weights(nn.Linear(2, 2), tmp_path / "s.pt", "m")


@pytest.mark.parametrize(("file", "blocks"), [("resnet20-12fca82f.th", 3), ("resnet56-4bfd9763.th", 9)])
def test_published_files_load_unchanged(file: str, blocks: int) -> None:
    path = SHARED / "pretrained" / file
    if not path.is_file():
        pytest.skip("the published network is not here")
    space: dict[str, Any] = {}
    exec(RESNET, space)
    model = space["ResNet"](blocks)
    load_weights(model, path, "m")
    published = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    assert torch.equal(model.state_dict()["linear.weight"], published["module.linear.weight"])
