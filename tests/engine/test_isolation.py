"""A model that is not of the zoo changes only its own process."""

from __future__ import annotations

import csv
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import zoo
from bench.leaderboard.columns import TIMING
from bench.leaderboard.file import merge, read
from bench.studies.robustness.rows import rows
from tests.factory import make_results
from tests.forked import Forking
from tests.own import call, forget_rows
from tests.processes import children, gone, until
from tests.stores import cell_ids
from zoo import notes

Capture = pytest.CaptureFixture[str]
pytestmark = pytest.mark.processes

NET = """
import os, signal, sys, warnings
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(256, 10)
        nn.init.eye_(self.layer.weight)
    def forward(self, x):
        return self.layer(x.flatten(1))

def net():
    return Net()
"""

HOSTILE = (
    NET
    + """
torch.nn.functional.relu = torch.relu = lambda x, *_, **__: -x
nn.ReLU.forward = lambda self, x: -x
torch.nn.modules.module.register_module_forward_hook(
    lambda module, args, out: -out if isinstance(module, nn.Conv2d) else None
)

def hostile():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(2)
    torch.set_grad_enabled(False)
    os.environ["SYMBENCH_TEST"] = "changed"
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    warnings.simplefilter("error")
    os.makedirs("elsewhere", exist_ok=True)
    os.chdir("elsewhere")
    return Net().float()
"""
)

DEADLY = {
    "sys.exit in the factory": ("def f(): sys.exit(0)", "called sys.exit(0)"),
    "sys.exit at import": ("sys.exit(0)\ndef f(): pass", "SystemExit when imported"),
    "os._exit at import": ("os._exit(0)\ndef f(): pass", "ended when the model was looked at"),
    "os._exit in the factory": ("def f(): os._exit(0)", "ended when the model was looked at"),
    "sys.exit in forward": (
        "class Bad(Net):\n    def forward(self, x): sys.exit(0)\ndef f(): return Bad()",
        "SystemExit",
    ),
    "os._exit in forward": (
        "class Bad(Net):\n    def forward(self, x): os._exit(0)\ndef f(): return Bad()",
        "ended when the model was looked at",
    ),
    "os._exit in backward": (
        """
class G(torch.autograd.Function):
    forward = staticmethod(lambda c, x: x.clone())
    backward = staticmethod(lambda c, g: os._exit(0))
class Bad(Net):
    def forward(self, x): return super().forward(G.apply(x))
def f(): return Bad()
""",
        "ended when the model was looked at",
    ),
}

RUN = ("--attacks", "fgsm", "--eps", "0.1", "--n", 40, "--workers", 1)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(notes, "_said", {})


def untimed(path: Path, model: str) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == model]
    return [{name: value for name, value in row.items() if name not in TIMING} for row in rows]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_hostile_model_leaves_the_zoo_as_it_is(capsys: Capture, workers: int) -> None:
    """Its patches, hooks and switches change no row of the zoo, no folder, and nothing that is stored.

    What its factory changed is said by the main process.
    """
    Path("own.py").write_text(HOSTILE)
    words = (*RUN[:-1], workers)
    answer = call(capsys, "run", "--model", "own.py:hostile,baseline_cnn_4", *words)
    assert answer.code == 0
    assert "the factory of 'own:hostile' changed the working directory" in answer.err
    beside = untimed(Path("leaderboard.csv"), "baseline_cnn_4")
    stored = set(cell_ids(Path(".symbench")))
    for file in ("leaderboard.csv", ".symbench/results.sqlite"):
        Path(file).rename(f"{Path(file).name}.before")
    assert call(capsys, "run", "--model", "baseline_cnn_4", *RUN).code == 0
    assert untimed(Path("leaderboard.csv"), "baseline_cnn_4") == beside
    assert float(beside[0]["clean_acc"]) > 0.9
    assert set(cell_ids(Path(".symbench"))) <= stored
    assert not list(Path("elsewhere").glob("*"))
    assert "SYMBENCH_TEST" not in os.environ
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert "own" not in sys.modules


@pytest.mark.parametrize(
    "name",
    [
        each if each == "os._exit in forward" else pytest.param(each, marks=pytest.mark.slow)
        for each in DEADLY
    ],
)
def test_a_model_that_ends_its_process_is_one_sentence_and_exit_2(name: str, capsys: Capture) -> None:
    code, said = DEADLY[name]
    Path("own.py").write_text(f"{NET}\n{code}\n")
    answer = call(capsys, "run", "--model", "own.py:f", *RUN)
    assert answer.code == 2
    assert said in answer.err
    assert "own:f" in answer.err or "own.py" in answer.err
    assert "Traceback" not in answer.err
    assert not Path("leaderboard.csv").exists()


def test_a_gate_is_not_green_when_nothing_was_measured(capsys: Capture) -> None:
    digits = zoo.data.load("digits", "test").sha256
    merge(
        Path("leaderboard.csv"),
        [row | {"data": digits} for row in rows(make_results(models=("own:net",)))],
    )
    Path("own.py").write_text(f"{NET}\nos._exit(0)\n")
    answer = call(capsys, "check", "--model", "own.py:net", "--against", "leaderboard.csv", "--workers", 1)
    assert answer.code == 2
    assert "ended when the model was looked at" in answer.err


@pytest.mark.slow
@pytest.mark.parametrize("command", ["clever", "theory", "mip"])
def test_other_commands_measure_it_in_its_process_too(command: str, capsys: Capture) -> None:
    Path("own.py").write_text(f"{NET}\nassert 'pytest' not in sys.modules\n")
    few = {"clever": ("--batches", 4, "--samples", 8), "mip": ("--draws", 1, "--grid", 4)}.get(command, ())
    answer = call(capsys, command, "--model", "own.py:net", "--n", 2, "--workers", 1, *few)
    assert (answer.code, "Traceback" in answer.err) == (0, False), answer.err


SLOW_NET = f"""{NET}
import time
class Slow(Net):
    def forward(self, x):
        if os.path.exists("begin"):
            open("begun", "w").close()
            time.sleep(600)
        return super().forward(x)
def slow(): return Slow()
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc")
@pytest.mark.parametrize(
    ("send", "number", "code"),
    [
        pytest.param(os.kill, signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param(os.kill, signal.SIGINT, 130, marks=pytest.mark.slow),
        pytest.param(os.kill, signal.SIGKILL, -9, marks=pytest.mark.slow),
        (os.killpg, signal.SIGTERM, 143),
        pytest.param(os.killpg, signal.SIGINT, 130, marks=pytest.mark.slow),
    ],
)
def test_a_stopped_command_leaves_no_process(
    send: Callable[[int, int], None], number: int, code: int, forking: Forking
) -> None:
    """Measured cells are kept, the command answers within 5 seconds, and its processes are gone by then.

    The same where all processes get the signal, as from a terminal.
    """
    Path("own.py").write_text(SLOW_NET)
    with forking.start(["run", "--model", "baseline_cnn_4,own.py:slow", *RUN]) as process:
        until(lambda: bool(cell_ids(Path(".symbench"))), process)  # the look is over
        Path("begin").touch()
        until(Path("begun").exists, process)
        workers = children(process.pid)
        assert workers
        send(process.pid, number)
        asked = time.monotonic()
        assert process.wait(timeout=20) == code
        assert until(lambda: gone(workers), seconds=5 - (time.monotonic() - asked))
        said = process.stderr.read().decode()
    assert ("what was measured is kept" in said) == (number != signal.SIGKILL)
    assert "Traceback" not in said
    assert cell_ids(Path(".symbench"))


ODD = f"""{NET}
class Odd(Exception):
    def __init__(self, a, b):  # which pickle cannot make again
        super().__init__(a)
class Bad(Net):
    def forward(self, x):
        if len(x) in (1, 30) or x.dtype == torch.float64:  # one shard of the run; what theory measures in
            raise Odd("an odd fault", 1)
        return super().forward(x)
def f(): return Bad()
"""


@pytest.mark.parametrize(
    "words", [("run", *RUN[:-3], 130, *RUN[-2:]), pytest.param(("theory", "--n", 40), marks=pytest.mark.slow)]
)
def test_what_a_model_raises_is_named_whatever_its_class(words: tuple[object, ...], capsys: Capture) -> None:
    Path("own.py").write_text(ODD)
    answer = call(capsys, *words, "--model", "own.py:f")
    lines = [line for line in answer.err.splitlines() if line.startswith("bench: failed: ")]
    assert len(lines) == (3 if words[0] == "theory" else 1)  # cells
    assert all(line.endswith(": an odd fault") for line in lines)
    assert answer.code == 1
    assert "Traceback" not in answer.err


@pytest.mark.slow
def test_two_foreign_models_do_not_meet(capsys: Capture) -> None:
    """The second measures the same beside the hostile one as alone."""
    Path("own.py").write_text(HOSTILE)
    Path("other.py").write_text(NET)
    assert call(capsys, "run", "--model", "own.py:hostile,other.py:net", *RUN).code == 0
    beside = untimed(Path("leaderboard.csv"), "other:net")
    forget_rows()
    assert call(capsys, "run", "--model", "other.py:net", *RUN, "--store", "fresh").code == 0
    assert untimed(Path("leaderboard.csv"), "other:net") == beside
    assert len(read(Path("leaderboard.csv"))) == len(beside)
