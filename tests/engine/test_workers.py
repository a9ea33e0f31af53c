"""Processes of models that are not of the zoo: how many there are, where they write, and what signals do to them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from multiprocessing import active_children
from pathlib import Path

import pytest
from tqdm import tqdm

from bench.engine import workers
from bench.errors import CellError
from tests.engine.test_isolation import NET, RUN
from tests.forked import Forked, Forking
from tests.own import call
from tests.processes import children, gone, until

pytestmark = pytest.mark.processes

LOUD = f"""{NET}
import tempfile
os.write(1, b"loud at import\\n")
class Loud(Net):
    def forward(self, x):
        os.write(1, b"loud in forward\\n")
        return super().forward(x)
def loud():
    os.write(1, b"loud in the factory\\n")
    tempfile.mkstemp(prefix=f"{{os.getpid()}}-", dir="built")
    return Loud()
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_room_starts_a_process_only_when_none_is_free(tmp_path: Path) -> None:
    group, found, before = workers.WorkerGroup(2), set(), set(active_children())
    for _ in range(5):
        asked = group.submit(os.getpid)
        asked.add_done_callback(
            lambda _: time.sleep(0.2)
        )  # the pool is slow to learn that its process is free
        found.add(asked.result())
    (first,) = found
    assert {each.pid for each in set(active_children()) - before} == found
    busy = group.submit(until, (tmp_path / "first").exists)
    (second,) = {group.submit(os.getpid).result() for _ in range(10)}
    assert second != first
    busier = group.submit(until, (tmp_path / "second").exists)
    third = group.submit(os.getpid)
    assert not any(each.done() for each in (busy, busier, third))
    for name in ("first", "second"):
        (tmp_path / name).touch()
    assert third.result() in (first, second)
    group.close()
    assert gone([first, second])


def test_a_room_grows_with_the_workers_that_are_asked_for() -> None:
    found = workers.WorkerGroups()
    assert found.of("model").size == 1
    assert found.of("model", 3).size == 3
    assert found.of("model").size == 3
    assert found.of("other").size == 1


def _lock_of_bars() -> str:
    return type(tqdm.get_lock()).__module__


def test_a_worker_draws_bars_without_a_semaphore_that_outlives_it() -> None:
    """Python prints a warning of every semaphore that a killed process leaves behind."""
    assert workers.WorkerGroup(1).submit(_lock_of_bars).result() == "_thread"


@pytest.mark.parametrize(("workers", "processes"), [(1, 1), pytest.param(2, 2, marks=pytest.mark.slow)])
def test_a_model_is_built_twice_in_its_process_and_prints_nothing_into_json(
    workers: int, processes: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """Built to name its weights and to see that the factory gives them again; then once in each further process."""
    Path("own.py").write_text(LOUD)
    Path("built").mkdir()
    words = ("--attacks", "fgsm,pgd", "--steps", 3, "--eps", "0.05,0.1", "--n", 300, "--workers", workers)
    answer = call(capfd, "run", "--model", "own.py:loud", *words, "--json")
    assert answer.code == 0
    built = [each.name.partition("-")[0] for each in Path("built").iterdir()]
    assert len(set(built)) <= processes
    assert len(built) == 2 + len(set(built)) - 1
    assert {row["model"] for row in json.loads(answer.out)} == {"own:loud"}
    for where in ("at import", "in the factory", "in forward"):
        assert f"loud {where}" in answer.err


def test_the_main_process_is_given_no_object_of_a_model() -> None:
    """It could load none of their classes."""
    group = workers.WorkerGroup(1)
    odd = "class Odd(BaseException): __str__ = lambda self: 'odd'\nOdd.__module__ = 'own'\n"
    stop = group.submit(exec, f"{odd}raise SystemExit(Odd())").exception()
    assert isinstance(stop, SystemExit)
    assert stop.code == "odd"
    fault = group.submit(exec, f"{odd}raise Odd").exception()
    assert isinstance(fault, CellError)
    assert str(fault) == "odd"
    group.close()


@pytest.mark.slow
def test_more_models_than_groups_that_are_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "KEPT", 2)
    names = [f"net_{i}" for i in range(workers.KEPT + 2)]
    nets = (f"def {name}():\n    net = Net()\n    net.layer.bias.data[0] = {i}\n    return net\n"
            for i, name in enumerate(names))  # fmt: skip
    Path("own.py").write_text(NET + "".join(nets))
    models = ",".join(f"own.py:{name}" for name in names)
    assert call(capsys, "run", "--model", models, *RUN).code == 0


def started(forking: Forking) -> Forked:
    """The command, whose workers have just been started."""
    Path("own.py").write_text(NET)
    process = forking.start(["run", "--model", "own.py:net", *RUN])
    until(lambda: len(children(process.pid)) > 1, process)  # one of them counts semaphores
    return process


slow = pytest.mark.slow
in_proc = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc")


@in_proc
@slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_workers_take_no_signal_from_their_start_on(number: int, forking: Forking) -> None:
    """They get one every 0.1 seconds of their first 1.5: while they import, and while they measure."""
    with started(forking) as process:
        for _ in range(16):
            for child in children(process.pid):
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    os.kill(child, number)
            time.sleep(0.1)
        assert process.wait() == 0, process.stderr.read().decode()


@in_proc
@slow
@pytest.mark.parametrize("delay", [0, 1])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_command_that_is_stopped_while_its_workers_start_leaves_none(
    number: int, code: int, delay: float, forking: Forking
) -> None:
    with started(forking) as process:
        time.sleep(delay)
        left = children(process.pid)
        os.killpg(process.pid, number)
        asked = time.monotonic()
        assert process.wait(timeout=20) == code
        assert until(lambda: gone(left), seconds=5 - (time.monotonic() - asked))
        said = process.stderr.read().decode()
    assert "Traceback" not in said
    assert "what was measured is kept" in said


EXIT = """
import os, signal, time
from concurrent.futures import process
from bench.engine.workers import WorkerGroup
from bench.engine.signals import stopping

def slowly(self):
    if not self._closed:
        time.sleep(1)  # in which the pool's thread learns that its process was killed
        self._writer.send_bytes(b"")

if __name__ == "__main__":
    with stopping():
        group = WorkerGroup(1)
        group.submit(os.getpid).result()
        process._ThreadWakeup.wakeup = slowly
        raise KeyboardInterrupt
"""


@in_proc
@slow
def test_the_interpreter_does_not_end_while_a_pool_closes_its_pipe(tmp_path: Path) -> None:
    (tmp_path / "exit.py").write_text(EXIT)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "exit.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert "file descriptor" not in done.stderr
    assert "handle is closed" not in done.stderr
