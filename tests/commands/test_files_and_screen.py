"""Files as users have them, names and values as they are shown, and what is said while a command runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import bench
from bench.commands import progress_lines
from bench.commands.cli import main
from bench.errors import UsageError
from bench.inputs.naming import check_name
from bench.leaderboard import file as leaderboard
from bench.numbers.eps import eps_text, eps_texts, parse_eps
from tests.own import forget_rows
from tests.processes import children, gone, until
from tests.toys import linear_problem
from zoo import data, notes

Capture = pytest.CaptureFixture[str]
RUN = ("run", "--zoo", "baseline_cnn_4", "--n", "10", "--workers", "1")
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


# leaderboards


def test_a_leaderboard_that_a_spreadsheet_saved_or_that_is_empty_is_read() -> None:
    table = Path("leaderboard.csv")
    table.write_bytes(b"")
    assert leaderboard.read(table) == []
    assert main([*RUN, "--eps", "0.1"]) == 0
    before = leaderboard.read(table)
    assert len(before) == 3
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes().replace(b"\n", b"\r\n"))
    assert leaderboard.read(table) == before
    assert main([*RUN, "--eps", "0.1"]) == 0
    assert leaderboard.read(table) == before


# names


@pytest.mark.parametrize(
    "name", ["=cmd|' calc'!A0", "+1", "-x", "@SUM(A1)", "a\nb", "a\tb", "\x1b[31m", "", "  "]
)
def test_a_name_that_a_spreadsheet_or_terminal_acts_on_is_refused(name: str, capsys: Capture) -> None:
    with pytest.raises(UsageError, match="give another with --as NAME"):
        check_name(name)
    model, x, y, _ = linear_problem(8)
    with pytest.raises(UsageError, match="give another name="):
        bench.evaluate(model, x, y, name=name)


MODEL = "from torch import nn\ndef f():\n    return nn.Sequential(nn.Flatten(), nn.Linear(256, 10))\n"


def models(*places: str) -> list[str]:
    words = []
    for place in places:
        file = Path(place)
        file.parent.mkdir(exist_ok=True)
        file.write_text(MODEL)
        words += ["--model", f"{place}:f"]
    return words


def run(*words: str) -> int:
    return main(["run", *words, "--n", "10", "--workers", "1", "--eps", "0.1", "--attacks", "fgsm"])


def names() -> set[str]:
    return {row["model"] for row in leaderboard.read(Path("leaderboard.csv"))}


def test_a_file_with_a_hostile_name_is_refused_with_a_remedy_that_works(capsys: Capture) -> None:
    asked = models("=cmd.py")
    assert run(*asked) == 2
    assert "the name '=cmd:f' is empty, begins with one of = + - @" in capsys.readouterr().err
    assert run(*asked, "--as", "mine") == 0
    assert names() == {"mine"}


def test_two_files_of_one_stem_are_told_apart(capsys: Capture) -> None:
    asked = models("a/m.py", "b/m.py")
    assert run(*asked) == 0
    assert names() == {"a/m:f", "b/m:f"}
    forget_rows()
    assert run(*asked, "--as", "one", "--as", "two") == 0
    assert names() == {"one", "two"}
    assert run(*asked, "--as", "one") == 2
    assert "--as gives 1 names for 2 models from files; give one for each" in capsys.readouterr().err
    assert run(*asked, "--as", "one", "--as", "one") == 2
    assert (
        "2 models of this run would be called 'one'; tell them apart with --as NAME"
        in capsys.readouterr().err
    )


# ε


@pytest.mark.parametrize(
    "text",
    ["0", "0.5/255", "1.5/255", "8/255", "0.25/255", "0.03", "0.125", "1", "3/256", "1/7", "20"],
)
def test_eps_is_shown_as_it_was_given(text: str) -> None:
    (eps,) = parse_eps([text])
    assert eps_text(eps) == text
    assert parse_eps([eps_text(eps)]) == (eps,)


@given(st.integers(1, 2550), st.integers(1, 1000))
def test_what_is_shown_is_the_number(top: int, bottom: int) -> None:
    for eps in (top / 10 / 255, top / 1000, top / bottom):
        assert parse_eps([eps_text(eps)])[0] == pytest.approx(eps, rel=1e-5)


def test_a_grid_of_whole_grey_levels_is_written_so() -> None:
    assert eps_texts((1 / 255, 51 / 255)) == ("1/255", "51/255")
    assert eps_texts((0.01, 0.15)) == ("0.01", "0.15")
    assert eps_texts((0.5 / 255, 8 / 255)) == ("0.5/255", "8/255")


def test_heads_show_eps_as_given(capsys: Capture) -> None:
    assert main([*RUN, "--eps", "0.5/255"]) == 0
    assert "ε 0.5/255" in capsys.readouterr().out
    assert "0.5/255" in Path("reports/digits.html").read_text()


# folders


def test_what_is_no_image_is_left_out_and_counted_in_one_line(capsys: Capture) -> None:
    notes._said.clear()
    for split in ("train", "test"):
        for kind in ("a", "b"):
            place = Path("photos") / split / kind
            place.mkdir(parents=True)
            Image.fromarray(np.full((16, 16, 3), 7, np.uint8)).save(place / "0.png")
            for name in (
                "x.gif",
                "y.svg",
                "z.SVG",
                ".hidden",
            ):  # a hidden file that is no image is not counted
                (place / name).write_bytes(b"nothing")
    for _ in range(2):
        assert len(data.load("folder:photos", "test")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    Image.fromarray(np.full((16, 16, 3), 9, np.uint8)).save("photos/test/a/.dotted.png")
    assert len(data.load("folder:photos", "test")) == 3  # a hidden image is one
    assert line == "note: 6 files of photos/test are no images and are left out (2 × .gif, 4 × .svg)"


# options


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "--zo", "all"), "unrecognized arguments: --zo all"),
        (("spatial", "--zoo", "all", "--seed=--"), "--seed was given the value '--'"),
        (("run", "--zoo", "x" * 5000), "… (5"),
        (("run", "--" + "y" * 5000), "… (5"),
        (
            ("compare", "baseline_cn", "equivariant_gcnn"),
            "unknown model 'baseline_cn'; nearest: baseline_cnn",
        ),
    ],
)
def test_bad_calls_are_refused_in_one_short_line(
    words: tuple[str, ...], message: str, capsys: Capture
) -> None:
    try:
        code = main(words)
    except SystemExit as stop:
        code = stop.code
    err = capsys.readouterr().err
    assert (code, len(err.splitlines())) == (2, 1)
    assert message in err
    assert len(err) < 1000


def test_json_of_the_models_has_numbers(capsys: Capture) -> None:
    main(["list", "models", "--json"])
    (row,) = (
        row for row in json.loads(capsys.readouterr().out)["models"] if row["model"] == "baseline_cnn_4"
    )
    assert row["parameters"]["digits"] == 96290
    assert 0.9 < row["clean accuracy"]["digits"] <= 1


def test_a_broken_entry_point_is_called_broken(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    points = {
        name: EntryPoint(name, f"{module}:f", "symbench.models")
        for name, module in (("whole", "json"), ("lost", "no_such_module.inside"))
    }
    monkeypatch.setattr("bench.commands.list.entry_points", lambda: points)
    main(["list", "models", "--json"])
    rows = {row["model"]: row["recipe"] for row in json.loads(capsys.readouterr().out)["models"]}
    assert rows["whole"] == "installed (entry point)"
    assert rows["lost"] == "broken (entry point): no module no_such_module.inside"


# while it runs


def test_lines_where_stderr_is_no_terminal(capsys: Capture) -> None:
    with progress_lines.progress_lines("cells", every=0.05) as told:
        told(0, 40)
        time.sleep(0.12)
        told(10, 40)
        time.sleep(0.3)
        told(20, 40)
        time.sleep(0.12)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 5
    assert lines[0] == "measuring: 0 of 40 cells, 0:00:00 gone"
    assert lines[-1].startswith("measuring: 20 of 40 cells, 0:00:0")
    assert "about 0:00:0" in lines[-1]


def test_stored_cells_do_not_count_towards_the_pace(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    now = 0.0
    monkeypatch.setattr(progress_lines.time, "monotonic", lambda: now)
    with progress_lines.progress_lines("cells", every=0.05) as told:
        told(17, 20)
        now = 60.0
        told(18, 20)  # the start of the workers is in these 60 s
        now = 90.0
        told(19, 20)
        time.sleep(0.2)
    assert capsys.readouterr().err.splitlines()[-1] == (
        "measuring: 19 of 20 cells, 0:01:30 gone, about 0:00:30 left"
    )


def test_lines_say_the_most_it_can_take_until_the_pace_is_known(capsys: Capture) -> None:
    with progress_lines.progress_lines("cells", every=0.05, most=75.0) as told:
        told(0, 40)
        time.sleep(0.12)
    assert capsys.readouterr().err.splitlines()[0] == (
        "measuring: 0 of 40 cells, 0:00:00 gone, at most about 0:01:15 left"
    )


def test_a_slow_last_cell_is_given_as_long_again_as_it_has_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = progress_lines._Standing(done=99, total=100, first=(1, 2.0), last=100.0)
    for now, left in ((100.5, "0:00:01"), (160.0, "0:01:00")):
        monkeypatch.setattr(progress_lines.time, "monotonic", lambda now=now: now)
        line = progress_lines._line("cells", stand, 100.0, 0.0)
        assert line == f"measuring: 99 of 100 cells, 0:01:40 gone, about {left} left"


def test_a_short_command_prints_none(capsys: Capture) -> None:
    assert main([*RUN, "--eps", "0.1"]) == 0
    assert "measuring" not in capsys.readouterr().err


SLOW = """
import time, torch
from torch import nn
class Slow(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(256, 10)
    def forward(self, x):
        if len(x) == 10 and x.requires_grad:
            open("asleep", "w").close()
            time.sleep(600)
        return self.layer(x.flatten(1))
def slow(): return Slow()
"""


def test_workers_end_when_the_main_process_is_killed() -> None:
    Path("slow.py").write_text(SLOW)
    words = ["run", "--model", "slow.py:slow", "--n", "10", "--eps", "0.1", "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.commands.cli", *words],
        env=ENVIRONMENT,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until(Path("asleep").exists)
        workers = [each for each in children(process.pid) if _is_worker(each)]
        assert workers
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert until(lambda: gone(workers), seconds=5)
    finally:
        process.kill()


def _is_worker(pid: int) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
