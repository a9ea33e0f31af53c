"""What ``--help`` says: groups, an example that parses, defaults, one name for one thing."""

from __future__ import annotations

import re
import shlex

import pytest

from bench.commands.cli import COMMANDS, parser
from bench.commands.ending import NEXT, next_command
from bench.commands.help import EXAMPLES, GROUPS
from bench.studies import STUDIES
from tests.own import call

Capture = pytest.CaptureFixture[str]


def help_of(capsys: Capture, command: str) -> str:
    with pytest.raises(SystemExit):
        parser(command).parse_args([command, "--help"])
    return capsys.readouterr().out


def test_every_command_is_in_one_group_with_an_example_that_parses() -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(COMMANDS) == sorted(EXAMPLES)
    for name, text in EXAMPLES.items():
        words = shlex.split(text)
        assert words[:2] == ["bench", name]
        assert parser(name).parse_args(words[1:]).command == name


def test_the_overview_fits_80_columns(capsys: Capture) -> None:
    out = call(capsys).out
    assert max(map(len, out.splitlines())) <= 80
    assert [line[:-1] for line in out.splitlines() if re.fullmatch(r"\w+:", line)] == ["options", *GROUPS]


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_help_of_a_command_ends_with_its_example(command: str, capsys: Capture) -> None:
    assert help_of(capsys, command).rstrip().endswith(EXAMPLES[command])


def test_defaults_are_shown(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out = help_of(capsys, "run")
    for default in (
        "(default .symbench)",
        "(default leaderboard.csv)",
        "(default reports)",
        "(default linf)",
    ):
        assert default in out
    assert "(default None)" not in out
    assert "(default False)" not in out


def test_models_have_one_name_and_its_aliases_work(capsys: Capture) -> None:
    for command in STUDIES:
        shown = help_of(capsys, command)
        assert not re.search(r"^  --(zoo|models)\b", shown, re.M), command
    for words in (["--model", "a,b"], ["--models", "a,b"], ["--zoo", "a,b"]):
        assert parser("run").parse_args(["run", *words]).model == ["a,b"]
    assert parser("tradeoff").parse_args(["tradeoff", "--models", "a"]).models == ["a"]


def test_options_of_single_attacks_stand_under_them(capsys: Capture) -> None:
    single = help_of(capsys, "run").partition("options of single attacks:")[2].partition("measuring:")[0]
    for option in ("--alpha", "--targets", "--target ", "--queries", "--eot", "--rotation", "--best-iterate"):
        assert option in single


def test_every_study_says_what_is_useful_next() -> None:
    assert set(NEXT) == set(STUDIES)
    assert {command for command, _ in NEXT.values()} <= set(COMMANDS)


def test_the_next_command_prepares_images_as_this_one_did() -> None:
    own = (
        "--model",
        "a/resnet.py:net",
        "--weights",
        "w.th",
        "--mean",
        "0.5,0.4,0.4",
        "--std",
        "0.2",
        "--bgr",
    )
    more = ("--as", "mine", "--scale", "255", "--input-size", "32", "--output", "logits")
    options = parser().parse_args(["run", *own, *more, "--n", "100", "--store", "s", "--attacks", "pgd"])
    words = next_command("run", options).partition("   #")[0].split()
    again = parser().parse_args(words[1:])
    assert words[1] == "audit"
    for name in (
        "model",
        "weights",
        "names",
        "mean",
        "std",
        "bgr",
        "scale",
        "input_size",
        "output",
        "n",
        "store",
    ):
        assert getattr(again, name) == getattr(options, name), name
    plain = parser().parse_args(["run", "--model", "baseline_cnn", "--n", "1000"])
    assert next_command("run", plain).partition("   #")[0] == "bench audit --model baseline_cnn"


def test_no_audit_is_advised_for_a_smoothed_network() -> None:
    words = ("certify", "--model", "baseline_cnn.gauss25", "--method")
    assert next_command("certify", parser().parse_args([*words, "smoothing"])) == ""
    assert next_command("certify", parser().parse_args([*words, "ibp"])).startswith("bench audit ")


def test_after_a_run_with_an_audit_two_models_are_compared() -> None:
    def following(*words: str) -> str:
        return next_command("audit", parser().parse_args(["run", *words]))

    own = ("--model", "a/resnet.py:resnet8,baseline_cnn")
    assert following(*own) == "bench compare resnet:resnet8 baseline_cnn   # which is more robust?"
    assert following(*own, "--as", "mine", "--store", "s").startswith(
        "bench compare mine baseline_cnn --store s "
    )
    assert following("--model", "baseline_cnn").startswith("bench leaderboard ")
    assert following("--model", "all").startswith("bench leaderboard ")
