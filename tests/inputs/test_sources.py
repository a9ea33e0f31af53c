"""Sources of models: names, digests, and the checks before anything is measured."""

from __future__ import annotations

import importlib
import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import zoo
from bench.errors import UsageError
from bench.inputs import own_models
from bench.inputs.own_code import code_digest, source_files
from bench.inputs.own_models import state_digest
from bench.inputs.probe import probe
from bench.inputs.sources import DataSource, ModelSource, deployed, find_model
from tests.own import MODELS, write_models
from tests.toys import linear_problem
from zoo import registry


def find(target: str, weights: Path | None = None) -> tuple[ModelSource, Any]:
    return find_model(target, dataset="digits", weights=str(weights) if weights else None, weights_from=None)


def test_a_zoo_model_is_its_checkpoint() -> None:
    source, info = find("baseline_cnn_4")
    record = registry.find("baseline_cnn_4", "digits")
    assert (info.name, info.origin, info.trained_on) == ("baseline_cnn_4", "zoo", "digits")
    assert info.weights == record.sha256 == source.digest(source.build())
    assert info.parameters == record.parameters


def test_an_own_model_is_its_tensors_its_name_and_its_code(tmp_path: Path) -> None:
    file = write_models(tmp_path)
    source, info = find(f"{file}:net")
    assert (info.name, info.origin, info.trained_on, info.parameters) == ("own:net", "file", "unknown", 2570)
    assert str(tmp_path) not in repr(info)
    assert source.digest(source.build()) == info.weights
    assert find(f"{file}:net")[1] == info
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert find(f"{write_models(elsewhere)}:net")[1] == info


def test_two_factories_with_equal_tensors_are_two_models(tmp_path: Path) -> None:
    file = write_models(tmp_path)
    (net, net_info), (doubled, doubled_info) = find(f"{file}:net"), find(f"{file}:doubled")
    assert state_digest(net.build()) == state_digest(doubled.build())
    assert net_info.weights != doubled_info.weights


def test_the_digest_changes_with_code_and_weights(tmp_path: Path) -> None:
    file = write_models(tmp_path)
    source, before = find(f"{file}:net")
    other = source.build()
    nn.init.zeros_(other.layer.bias)  # type: ignore[arg-type, union-attr]
    save_file(other.state_dict(), tmp_path / "w.safetensors")
    assert find(f"{file}:net", tmp_path / "w.safetensors")[1].weights != before.weights
    file.write_text(MODELS.replace("- 0.5) / 0.5", "- 0.4) / 0.5"))
    assert find(f"{file}:net")[1].weights != before.weights


def test_the_code_of_an_imported_factory_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = write_models(tmp_path, "imported_library.py")
    (tmp_path / "thin.py").write_text("from imported_library import net\n")
    monkeypatch.syspath_prepend(tmp_path)
    source, before = find(f"{tmp_path / 'thin.py'}:net")
    library.write_text(MODELS + "# changed\n")
    assert source.digest(source.build()) != before.weights
    sys.modules.pop("imported_library")


def write_project(folder: Path, scale: str) -> str:
    """A factory in one file, its network in another, and what that computes with in a third."""
    folder.mkdir(exist_ok=True)
    (folder / "project_scale.py").write_text(f"SCALE = {scale}\n")
    (folder / "project_net.py").write_text(
        "import torch\nimport project_scale\n\n\nclass Net(torch.nn.Linear):\n"
        "    def forward(self, x):\n        return project_scale.SCALE * super().forward(x.flatten(1))\n"
    )
    (folder / "project.py").write_text(
        "from project_net import Net\n\n\ndef small():\n    return Net(256, 10)\n"
    )
    return f"{folder / 'project.py'}:small"


@pytest.fixture
def _forgotten() -> Iterator[None]:
    """What a project's files were imported as, and where from, ends with the test."""
    path, opened = list(sys.path), set(own_models._opened)
    yield
    sys.path[:] = path
    own_models._opened.clear()
    own_models._opened.update(opened)
    for name in [name for name in sys.modules if name.startswith("project_")]:
        sys.modules.pop(name)


@pytest.mark.usefixtures("_forgotten")
def test_a_model_file_imports_its_neighbours_and_their_code_counts(tmp_path: Path) -> None:
    target = write_project(tmp_path, "1.0")
    source, before = find(target)
    assert source.digest(source.build()) == before.weights
    write_project(tmp_path, "-1.0")
    assert source.digest(source.build()) != before.weights
    write_project(tmp_path, "1.0")
    assert source.digest(source.build()) == before.weights


@pytest.mark.usefixtures("_forgotten")
def test_neighbours_of_one_name_are_refused_in_one_run(tmp_path: Path) -> None:
    find(write_project(tmp_path / "a", "1.0"))
    with pytest.raises(UsageError, match="measure them in separate runs"):
        find(write_project(tmp_path / "b", "-1.0"))


def test_only_files_of_the_users_own_count(tmp_path: Path) -> None:
    source, _ = find(f"{write_models(tmp_path)}:net")
    module = own_models.module_of("file", source.target)
    assert source_files(source.build(), module) == [(tmp_path / "own.py").resolve()]


@pytest.mark.usefixtures("_forgotten")
def test_the_digest_does_not_depend_on_what_else_was_loaded(tmp_path: Path) -> None:
    package = tmp_path / "project_net"
    package.mkdir()
    (package / "__init__.py").write_text("from torch.nn import Linear\nfrom . import used\n")
    (package / "used.py").write_text("")
    (package / "lazy.py").write_text("")
    (tmp_path / "project.py").write_text(
        "from project_net import Linear\n\n\ndef small():\n    return Linear(256, 10)\n"
    )
    source, before = find(f"{tmp_path / 'project.py'}:small")
    importlib.import_module("project_net.lazy")
    assert source.digest(source.build()) == before.weights
    files = source_files(source.build(), own_models.module_of("file", source.target))
    assert [file.name for file in files] == ["project.py", "__init__.py", "used.py"]


def test_plain_attributes_count_and_the_mode_does_not() -> None:
    class Rounds(nn.Linear):
        def __init__(self, levels: object) -> None:
            super().__init__(4, 2)
            nn.init.zeros_(self.weight)
            nn.init.zeros_(self.bias)
            self.levels = levels

    values = (2, 3, 2.0, "2", None, (2,), (2, 3), {"a": 2}, torch.ones(2), np.ones(2), np.ones(3))
    assert len({state_digest(Rounds(value)) for value in values}) == len(values)
    assert state_digest(Rounds(2)) == state_digest(Rounds(2).eval())
    assert state_digest(nn.Conv2d(1, 1, 3, stride=1, bias=False)) != state_digest(
        nn.Conv2d(1, 1, 3, stride=2, bias=False)
    )


def test_code_in_no_file_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def noted(text: str) -> nn.Module:
        notebook = ModuleType("notebook_of_ours")
        monkeypatch.setitem(sys.modules, "notebook_of_ours", notebook)
        exec(f"from torch import nn\nclass Net(nn.Identity):\n    {text}\n", notebook.__dict__)
        return notebook.Net()

    same, other = "def forward(self, x): return x", "def forward(self, x): return -x"
    assert code_digest(noted(same)) == code_digest(noted(same)) != code_digest(noted(other))


def test_a_zoo_model_has_one_name() -> None:
    assert {
        find(name)[1].name for name in ("baseline_cnn_4", "baseline_cnn_4@0", "baseline_cnn_4.standard")
    } == {"baseline_cnn_4"}


@pytest.mark.parametrize("factory", ["functools.partial(Net, 10)", "Net", "Maker()", "lambda: Net()"])
def test_any_callable_is_a_factory(factory: str, tmp_path: Path) -> None:
    extra = f"import functools\nclass Maker:\n    def __call__(self): return Net()\nmade = {factory}\n"
    (tmp_path / "own.py").write_text(f"{MODELS}\n{extra}")
    source, info = find(f"{tmp_path / 'own.py'}:made")
    assert source.digest(source.build()) == info.weights


def test_a_random_factory_gives_the_same_weights_in_every_process(tmp_path: Path) -> None:
    target = f"{write_models(tmp_path)}:net"
    state = torch.random.get_rng_state()
    here = find(target)[1].weights
    assert torch.equal(torch.random.get_rng_state(), state)
    code = (
        "import sys, torch; torch.manual_seed(5)\nfrom bench.inputs.sources import find_model\n"
        f"info = find_model({target!r}, dataset='digits', weights=None, weights_from=None)[1]\n"
        "print(info.weights, file=sys.stderr)"
    )
    there = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert there.stderr.split()[-1] == here


@pytest.mark.parametrize("ending", [".safetensors", ".pt", "nested.pt"])
def test_weights_files_are_loaded(ending: str, tmp_path: Path) -> None:
    source, _ = find(f"{write_models(tmp_path)}:net")
    state = {name: torch.full_like(value, 0.25) for name, value in source.build().state_dict().items()}
    file = tmp_path / f"w{ending}"
    if ending == ".safetensors":
        save_file(state, file)
    else:
        torch.save({"state_dict": state, "epoch": 3} if ending.startswith("nested") else state, file)
    loaded = find(f"{tmp_path / 'own.py'}:net", file)[0].build()
    assert all(bool((value == 0.25).all()) for value in loaded.state_dict().values())


def test_normalisation_inside_an_own_model_stays_inside(tmp_path: Path) -> None:
    model = find(f"{write_models(tmp_path)}:net")[0].build()
    x = DataSource(spec="digits").load().images(0, 4)
    ready = deployed(model, "cpu")
    assert torch.equal(ready(x), model.layer((x.flatten(1) - 0.5) / 0.5))  # type: ignore[operator]
    assert not ready.training
    assert not any(p.requires_grad for p in ready.parameters())
    assert all(p.requires_grad for p in model.parameters())


class Point:
    """An entry point as an installed package declares it."""

    def __init__(self, name: str, target: Any) -> None:
        self.name, self._target, self.module = name, target, __name__

    def load(self) -> Any:
        if isinstance(self._target, Exception):
            raise self._target
        return self._target


def small() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(256, 10))


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [Point("their_net", small), Point("their_broken", ImportError("no such thing"))]

    def entry_points(*, group: str) -> list[Point]:
        return points if group == "symbench.models" else []

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)


@pytest.mark.usefixtures("_installed")
def test_installed_models_are_found_by_name() -> None:
    source, info = find("their_net")
    assert (info.name, info.origin, info.parameters) == ("their_net", "entry point", 2570)
    assert source.digest(source.build()) == info.weights
    with pytest.raises(UsageError, match="nearest: their_net"):
        find("their_nt")
    with pytest.raises(
        UsageError, match=r"'their_broken' of symbench\.models cannot be loaded: no such thing"
    ):
        find("their_broken")


X = torch.rand(4, 1, 8, 8)


class Gives(nn.Module):
    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x: torch.Tensor) -> Any:
        return self.answer


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (torch.zeros(3, 2), r"shape \(3, 2\)"),
        (torch.zeros(4, 3), r"shape \(4, 3\)"),
        (torch.zeros(4, 2, 1), r"shape \(4, 2, 1\)"),
        (torch.full((4, 2), float("inf")), "NaN or infinite"),
        ([0, 1], "a list"),
        (None, "a NoneType"),
    ],
)
def test_the_first_look_refuses_what_is_no_classifier(answer: Any, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        probe("net", Gives(answer), X, 2)


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_one_logit_is_enough_for_two_classes_only(shape: tuple[int, ...]) -> None:
    assert probe("net", Gives(torch.zeros(shape)), X, 2) == 2
    with pytest.raises(UsageError, match=r"it must give \(4, 3\)"):
        probe("net", Gives(torch.zeros(shape)), X, 3)


def test_the_first_look_accepts_a_classifier() -> None:
    model, x, _, _ = linear_problem(4)
    probe("linear", model, x, 2)


def test_the_digest_of_tensors_sees_names_types_shapes_and_bits() -> None:
    class Holds(nn.Module):
        def __init__(self, **tensors: torch.Tensor) -> None:
            super().__init__()
            for name, value in tensors.items():
                self.register_buffer(name, value)

    zeros = torch.zeros(2, 3)
    digests = {
        state_digest(model)
        for model in (
            Holds(a=zeros),
            Holds(b=zeros),
            Holds(a=zeros.T),
            Holds(a=zeros.half()),
            Holds(a=-zeros),
            Holds(a=zeros, b=zeros),
            Holds(),
        )
    }
    assert len(digests) == 7
    assert state_digest(Holds(a=zeros)) == state_digest(Holds(a=zeros.clone()))
    assert state_digest(zoo.load("baseline_cnn_4")) == state_digest(zoo.load("baseline_cnn_4"))
