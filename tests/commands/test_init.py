"""``bench init``, and requests as files."""

from __future__ import annotations

import json
import shlex
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from bench.commands import init
from bench.commands.cli import _run_options, parser
from bench.errors import UsageError
from bench.studies.shared.arguments import device_options
from bench.studies.shared.request_file import as_file, expanded
from tests.own import call

Capture = pytest.CaptureFixture[str]
KNOWN = _run_options()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bench.studies.attacked.study.write_page", lambda *_: None)


def parsed(words: list[str]) -> Namespace:
    return parser("run").parse_args(words)


def test_what_init_writes_is_measured_as_it_is(capsys: Capture) -> None:
    answer = call(capsys, "init")
    assert answer.code == 0
    assert "next: bench run bench.toml" in answer.err
    assert sorted(path.name for path in Path().iterdir()) == ["bench.toml", "my_model.py"]
    answer = call(
        capsys, "run", "bench.toml", "--n", 10, "--attacks", "fgsm", "--workers", 1, "--audit=quick", "--json"
    )
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert {(row["model"], row["attack"], row["n"]) for row in found} == {
        ("my_model:net", "fgsm", 10),
        ("baseline_cnn", "fgsm", 10),
    }
    assert sorted({row["eps"] for row in found}) == [0.02, 0.05, 0.1]


def test_init_overwrites_nothing(capsys: Capture) -> None:
    Path("my_model.py").write_text("mine")
    answer = call(capsys, "init")
    assert answer.code == 2
    assert "my_model.py would be overwritten" in answer.err
    assert [path.name for path in Path().iterdir()] == ["my_model.py"]
    assert Path("my_model.py").read_text() == "mine"
    assert call(capsys, "init", "new").code == 0
    assert sorted(path.name for path in Path("new").iterdir()) == sorted(init.FILES)


def test_a_file_means_what_the_options_mean() -> None:
    Path("r.toml").write_text(
        'models = ["a.py:f", "baseline_cnn"]\ndataset = "digits"\nattacks = ["fgsm", "pgd"]\neps = ["8/255", 0.1]\n'
        "n = 40\nindependent = true\nbest_iterate = false\nalpha = 0.01\n"
    )
    words = shlex.split(
        "run --model a.py:f,baseline_cnn --dataset digits --attacks fgsm,pgd --eps 8/255,0.1 --n 40 --independent "
        "--alpha 0.01"
    )
    assert parsed(expanded(["run", "r.toml"], KNOWN)) == parsed(words)
    assert parsed(expanded(["run", "r.toml", "--n", "7"], KNOWN)).n == 7
    assert expanded(["audit", "r.toml"], KNOWN) == ["audit", "r.toml"]


@pytest.mark.parametrize(
    "command",
    [
        "bench run --zoo all --attacks fgsm,pgd",
        "bench run --model 'a b.py:f' --model baseline_cnn --as x --eps=0.1 --n 20 --independent --norm l2",
        "bench run --model m.py:f --target least-likely --alpha 0.5 --no-random-start --seeds 3",
    ],
)
def test_the_file_that_a_page_prints_asks_for_the_same(command: str) -> None:
    Path("page.toml").write_text(as_file(command))
    ours, theirs = (
        vars(parsed(words)) for words in (expanded(["run", "page.toml"], KNOWN), shlex.split(command)[1:])
    )
    models = [",".join(found.pop("model") or []) for found in (ours, theirs)]
    assert models[0] == models[1]
    assert ours == theirs


def test_every_option_of_the_place_of_the_work_is_left_out() -> None:
    device_options(place := ArgumentParser(add_help=False).add_argument_group())
    for action in place._group_actions:
        assert as_file(f"bench run --model a {action.option_strings[0]} 1") == 'models = ["a"]'


def test_places_and_processes_are_left_out_and_other_commands_have_no_file() -> None:
    assert as_file("bench run --model a --workers 2 --store s --json --n 3") == 'models = ["a"]\nn = 3'
    assert as_file("bench reproduce --all") == as_file("bench run 'cut off") == ""
    assert as_file("bench run --model a\nbench run --model b") == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("atacks = 'fgsm'", ("'atacks'", "nearest: attacks")),
        ("eps = {a = 1}", ("eps", "give a text, a number, true, or a list")),
        ("n = ", ("is no TOML", "bench init")),
        (None, ("cannot be read", "bench init")),
    ],
)
def test_refusals(text: str | None, words: tuple[str, ...], capsys: Capture) -> None:
    if text is not None:
        Path("bad.toml").write_text(text)
    answer = call(capsys, "run", "bad.toml")
    assert answer.code == 2
    assert all(word in answer.err for word in ("bad.toml", *words)), answer.err
    with pytest.raises(UsageError):
        expanded(["run", "bad.toml"], KNOWN)
