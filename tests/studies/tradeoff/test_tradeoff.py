"""bench tradeoff: from the command to the page, nothing measured twice, and what is refused."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import zoo
from bench.commands.cli import main
from bench.engine.driver import lane_results
from bench.engine.store import DirectoryStore
from bench.inputs.sources import DataSource
from bench.studies.robustness.evaluation import prepare
from bench.studies.shared.ask import Ask
from bench.studies.spatial.evaluation import collect_spatial, prepare_spatial
from bench.studies.spatial.setting import Options
from bench.studies.tradeoff import linear_figures as tradeoff_linear
from bench.studies.tradeoff import page as command
from bench.studies.tradeoff.evaluation import DEFAULT_MODELS, TradeoffSizes, plan_tradeoff
from tests.forked import Forking
from tests.stores import cell_ids
from tests.tradeoff_factory import weights
from zoo import registry

# at ε 0.6 AutoAttack's first part breaks everything, so the slow ones have nothing to do
BASE = ("--n", "20", "--steps", "3", "--draws", "2", "--rotate", "90", "--eps", "0.05,0.6")
SMALL = (*BASE, "--front-n", "8")


@dataclass
class Home:
    """Where one test's files go."""

    path: Path
    weights: str

    def run(self, *words: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        out, err = io.StringIO(), io.StringIO()
        places = ["--store", str(self.path / "store"), "--reports", str(self.path / "reports")]
        argv = ["tradeoff", *words, *places, "--weights-from", self.weights, "--workers", "1"]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main(argv)
            except SystemExit as stop:
                code = int(stop.code or 0)
        return code, out.getvalue(), err.getvalue()

    @property
    def store(self) -> DirectoryStore:
        return DirectoryStore(self.path / "store")

    def cells(self) -> dict[str, int]:
        """The cells, and what changes when one is written again."""
        return cell_ids(self.path / "store")

    def pages(self) -> dict[str, bytes]:
        """Page and figures."""
        return {file.name: file.read_bytes() for file in (self.path / "reports").rglob("*") if file.is_file()}

    def page(self) -> str:
        return (self.path / "reports" / "digits-tradeoff.html").read_text("utf-8")


@dataclass
class Ran:
    """What a run with ``--json`` left."""

    home: Home
    models: dict[str, dict[str, Any]]
    claims: list[dict[str, Any]]
    err: str


@pytest.fixture(scope="module", autouse=True)
def _closed_form_once() -> Iterator[None]:
    """The section in closed form is the same on every page; it has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tradeoff_linear, "closed_form", functools.cache(tradeoff_linear.closed_form))
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    return weights(
        tmp_path_factory.mktemp("weights") / "few",
        {
            "baseline_cnn": "baseline_cnn",
            "baseline_cnn.pgd_at": "baseline_cnn.pgd_at",
            "baseline_cnn.pgd_at@1": "baseline_cnn.pgd_at",
            "baseline_cnn.pgd_at-best": "baseline_cnn",
        },
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, place: str) -> Ran:
    """Two models, one of them with a replica and a best epoch."""
    home = Home(tmp_path_factory.mktemp("tradeoff"), place)
    code, out, err = home.run(*SMALL, "--json")
    assert code == 0, err
    found = json.loads(out)
    models = {each["model"]: each for each in found if each["kind"] == "model"}
    return Ran(home, models, [each for each in found if each["kind"] == "claim"], err)


# what is measured


def test_the_default_models_are_eleven_recipes_of_two_architectures() -> None:
    assert len(DEFAULT_MODELS) == 22
    assert {zoo.entries.entry(name).architecture for name in DEFAULT_MODELS} == {
        "baseline_cnn",
        "equivariant_gcnn",
    }


def test_models_without_weights_are_named_with_their_command_and_left_out(ran: Ran) -> None:
    assert set(ran.models) == {"baseline_cnn", "baseline_cnn.pgd_at"}
    lines = [line for line in ran.err.splitlines() if "left out" in line]
    assert len(lines) == 20
    assert (
        "equivariant_gcnn.cusp has no weights for these images and is left out; "
        f"bench train equivariant_gcnn.cusp --dataset digits --out {ran.home.weights}"
    ) in lines
    assert "bench train baseline_cnn.cusp --dataset digits --out few" in ran.home.page()


def test_replicas_and_the_best_epoch_are_found(ran: Ran) -> None:
    assert ran.models["baseline_cnn.pgd_at"]["seeds"] == [0, 1]
    assert ran.models["baseline_cnn"]["seeds"] == [0]
    page = ran.home.page()
    assert page.count("pgd_<wbr>at-best</th>") == 1  # among the weights
    assert "Best epoch beside the last" in page


def test_the_best_epoch_of_a_former_training_is_not_set_beside_the_last_of_another(tmp_path: Path) -> None:
    """As when a model is trained again without held-out images, which writes no best epoch."""
    names = ("baseline_cnn.pgd_at", "baseline_cnn.pgd_at-best")
    place = weights(tmp_path / "few", dict.fromkeys(names, "baseline_cnn"))
    ask = Ask(models=names[:1], requests=(), data=DataSource(spec="digits"), n=2, weights_from=place)
    assert plan_tradeoff(ask, TradeoffSizes(seeds=1), options="").page["best"] == [names[1]]
    former = registry.records(Path(place))[f"digits/{names[1]}"]
    registry.add(Path(place), dataclasses.replace(former, recipe=former.recipe | {"held_out": 0.1}))
    assert plan_tradeoff(ask, TradeoffSizes(seeds=1), options="").page["best"] == []


def test_a_best_epoch_asked_for_by_name_is_a_model_of_its_own(place: str) -> None:
    ask = Ask(
        models=("baseline_cnn.pgd_at-best", "baseline_cnn.pgd_at"),
        requests=(),
        data=DataSource(spec="digits"),
        n=2,
        weights_from=place,
    )
    plan = plan_tradeoff(ask, TradeoffSizes(seeds=1), options="")
    assert plan.page["best"] == []
    assert plan.front is not None
    assert {info.name for _, info in plan.front.models} == set(ask.models)
    assert plan.page["training"]["baseline_cnn.pgd_at"] == {"epochs": 30, "images": 1437}


def test_numbers_are_those_of_the_evaluations_alone(ran: Ran) -> None:
    """Rotations and PGD are the cells other commands measure, and clean accuracy is the model's own."""
    data = zoo.data.load("digits", "test")
    x, y = data.images(0, 20), data.targets(0, 20)
    clean = (zoo.load("baseline_cnn.pgd_at")(x).argmax(1) == y).float().mean()
    accuracy = ran.models["baseline_cnn.pgd_at"]["accuracy"]
    assert accuracy["clean"]["by_seed"] == [pytest.approx(float(clean))] * 2
    assert set(accuracy) == {
        "clean",
        "rotation_30",
        "rotation_90",
        "rotation_180",
        "pgd_0.05",
        "pgd_0.6",
        "front",
    }
    ask = Ask(
        models=("baseline_cnn",),
        requests=(),
        data=DataSource(spec="digits"),
        n=20,
        weights_from=ran.home.weights,
    )
    options = Options(rotations=(30, 90, 180), translations=(), draws=2, grid=None, turns=0)
    spatial = prepare_spatial(ask, options)
    (alone,) = collect_spatial(ran.home.store, spatial.setting, spatial.infos, versions={}, command="").models
    found = ran.models["baseline_cnn"]["accuracy"]
    for at in (30.0, 90.0, 180.0):
        assert found[f"rotation_{at:g}"]["value"] == pytest.approx(
            float(alone.random("rotate", at).right.mean())
        )
    plan = plan_tradeoff(
        dataclasses.replace(ask, eps=(0.05, 0.6)), TradeoffSizes(steps=3, front_n=8), options=""
    )
    run = prepare(
        dataclasses.replace(ask, models=("baseline_cnn",), requests=plan.pgd.requests, eps=(0.05, 0.6))
    )
    standing = [lane_results(ran.home.store, lane)[-1].result.arrays["standing"] for lane in run.lanes]
    assert found["pgd_0.6"]["value"] == pytest.approx(np.concatenate(standing).mean())
    assert found["front"]["n"] == 8
    assert found["pgd_0.05"]["n"] == 20


def test_the_front_is_told(ran: Ran) -> None:
    """At ε 0.6 nothing stands, so the model that is better under rotations dominates the other."""
    front = {name for name, found in ran.models.items() if found["on_front"]}
    accuracy = {name: found["accuracy"]["rotation_180"]["value"] for name, found in ran.models.items()}
    assert {found["accuracy"]["front"]["value"] for found in ran.models.values()} == {0.0}
    assert front == {name for name, value in accuracy.items() if value == max(accuracy.values())}


def test_claims_that_need_more_models_cannot_be_told(ran: Ran) -> None:
    assert [each["id"] for each in ran.claims] == ["rotations", "perturbations", "curriculum"]
    assert {each["verdict"] for each in ran.claims} == {"undecided here"}
    ends = ran.claims[1]["architectures"]["baseline_cnn"]["tests"][0]
    assert (ends["a"], ends["b"], ends["n"], ends["seeds"]) == ("standard", "pgd_at", 20, [0])
    assert ran.claims[1]["architectures"]["equivariant_gcnn"]["tests"][0]["difference"] is None


# nothing twice


def test_the_same_command_measures_nothing_and_gives_the_same_page(ran: Ran) -> None:
    cells, pages = ran.home.cells(), ran.home.pages()
    code, out, _ = ran.home.run(*SMALL, "--json")
    assert code == 0
    assert ran.home.cells() == cells
    assert ran.home.pages() == pages
    assert len(json.loads(out)) == 5
    code, out, _ = ran.home.run(*SMALL, "--dry-run", "--json")
    assert json.loads(out)["to_run"] == 0


def test_the_page_is_drawn_again_from_the_store(ran: Ran, tmp_path: Path) -> None:
    argv = ["report", "--store", str(ran.home.path / "store"), "--reports", str(tmp_path)]
    assert main(argv) == 0
    again = {file.name: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert again == ran.home.pages()  # this one alone: parts of it are no runs of their own


def test_a_run_goes_on_from_what_another_measured(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "write_tradeoff_page", lambda found, pages: pages)
    home = Home(tmp_path, place)
    small = (*SMALL, "--seeds", "1")
    assert home.run(*BASE, "--seeds", "1", "--models", "baseline_cnn", "--front", "pgd")[0] == 0
    first = home.cells()
    code, out, _ = home.run(*small, "--models", "baseline_cnn", "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)["to_run"] == 2  # clean and AutoAttack on the first eight images
    assert home.run(*small, "--models", "baseline_cnn")[0] == 0
    later = home.cells()
    assert {name: later[name] for name in first} == first
    assert len(later) == len(first) + 2


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_killed_and_started_again_it_ends_as_if_never_stopped(
    ran: Ran, place: str, forking: Forking, tmp_path: Path
) -> None:
    home = Home(tmp_path, place)
    argv = ["tradeoff", *SMALL, "--weights-from", place, "--workers", "2"]
    argv += ["--store", str(tmp_path / "store"), "--reports", str(tmp_path / "reports")]
    whole = set(ran.home.cells())
    for wanted in (1, len(whole) // 2, len(whole) - 1):
        started = forking.start(argv, tmp_path)
        while len(home.cells()) < wanted and started.poll() is None:
            time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError):  # it was quicker
            os.killpg(started.pid, signal.SIGKILL)
        with started:
            started.wait()
        assert set(home.cells()) <= whole
    assert home.run(*SMALL)[0] == 0
    assert set(home.cells()) == whole
    again, once = home.pages(), ran.home.pages()
    assert set(again) == set(once)
    figures = {name for name in once if name.endswith(".svg")}
    assert figures
    assert {name: again[name] for name in figures} == {name: once[name] for name in figures}


# pages


def test_the_page_stands_alone_and_tells_no_paths(ran: Ran) -> None:
    page = ran.home.page()
    assert "http" not in page.replace("http://www.w3.org", "")
    assert str(ran.home.path) not in page
    assert ran.home.weights not in page
    for figure in ("plane", "curves-1", "closed-form"):
        for ending in ("svg", "png"):
            assert f"digits-tradeoff-{figure}.{ending}" in ran.home.pages()
    assert page.count("<svg") == (4 + 1) + 1 + 3  # the plane's panels with their key, curves, closed form
    for words in (
        "±180°",
        "only the direction of its statements is tested",
        "Our own setting",
        "AutoAttack (3 steps) and PGD at",
    ):
        assert words in page


def test_ones_own_model_has_numbers_and_no_claims(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "write_tradeoff_page", lambda found, pages: pages)
    own = tmp_path / "mine.py"
    own.write_text(
        "from torch import nn\ndef small():\n    import torch\n    torch.manual_seed(0)\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(256, 10))\n"
    )
    home = Home(tmp_path, place)
    code, out, err = home.run(
        *BASE, "--models", f"{own}:small", "--models", "baseline_cnn", "--front", "pgd", "--json"
    )
    assert code == 0, err
    found = json.loads(out)
    mine = next(each for each in found if each.get("model") == "mine:small")
    assert (mine["recipe"], mine["training_images"], mine["seeds"]) == (None, None, [0])
    assert mine["accuracy"]["front"] == mine["accuracy"]["pgd_0.6"]
    claims = [each for each in found if each["kind"] == "claim"]
    assert {name for each in claims for name in each["architectures"]} == {"baseline_cnn"}


# refusals


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--models", "nope"], "unknown model 'nope'"),
        (["--models", "baseline_cnn.nope"], "unknown model 'baseline_cnn.nope'"),
        (["--models", "baseline_cnn.cusp"], "no weights of baseline_cnn.cusp"),
        (["--front", "fgsm"], "unknown --front 'fgsm'; use autoattack10, autoattack, pgd"),
        (["--front-n", "0"], "--front-n is 0; it is a number of images from 1 to 360"),
        (
            ["--front", "pgd", "--front-n", "8"],
            "--front-n is 8, images of AutoAttack, which --front pgd does not run; leave it out",
        ),
        (["--n", "20", "--front-n", "21"], "--front-n is 21; it is a number of images from 1 to 20"),
        (["--n", "0"], "--n: '0' is not a whole number"),
        (["--draws", "0"], "--draws is 0"),
        (["--seeds", "0"], "--seeds is 0"),
        (["--steps", "0"], "--steps is 0"),
        (["--rotate", "200"], "--rotate has 200"),
        (["--rotate", "wide"], "--rotate is 'wide'"),
        (["--fill", "grey"], "unknown --fill 'grey'"),
        (["--interpolation", "cubic"], "unknown --interpolation 'cubic'"),
        (["--eps", "big"], "--eps has 'big'"),
        (["--dataset", "nope"], "unknown data set 'nope'"),
    ],
)
def test_what_cannot_be_is_refused(place: str, tmp_path: Path, words: list[str], said: str) -> None:
    code, out, err = Home(tmp_path, place).run(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1


def test_autoattack_takes_four_classes(place: str, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / "images" / split / name).mkdir(parents=True)
            Image.new("L", (16, 16)).save(tmp_path / "images" / split / name / "0.png")
    code, _, err = Home(tmp_path, place).run("--dataset", f"folder:{tmp_path / 'images'}")
    assert code == 2
    assert "images has 2 classes and AutoAttack takes 4 or more; use --front pgd" in err
