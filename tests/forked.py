"""Commands in processes of their own that need not import everything first.

One Python imports what commands use, and forks a process for each command. Such a process is like a new one: it has its
own folder, group and signals, starts workers of its own, and ends as ``bench`` does. A test that stops many commands
then waits for their work, and not for as many imports.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

ROOT = Path(__file__).parents[1]
SERVE = "from tests.forked import serve; serve()"
USED = (
    "foolbox",
    "seaborn",
    "bench.attacks.measure",
    "bench.attacks.with_torchattacks",
    "bench.commands.measure",
    "bench.pages.figures",
    "bench.studies.attacked.page",
    "bench.studies.attacked.study",
)


class Forking:
    """The Python that forks; it ends with the block."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        words = [sys.executable, "-c", SERVE]
        pipe = subprocess.PIPE
        self._python = subprocess.Popen(words, stdin=pipe, stdout=pipe, env=environment, text=True)

    def __enter__(self) -> Forking:
        return self

    def __exit__(self, *_: object) -> None:
        self._python.communicate(timeout=60)

    def start(self, words: Sequence[object], folder: Path | None = None) -> Forked:
        """Starts ``bench WORDS…`` in a folder, or in this one, in a process group of its own.

        What it says goes to the end of the folder's file ``errors``.
        """
        place = (folder or Path()).absolute()
        stderr = (place / "errors").open("ab+")
        asked = {"words": [*map(str, words)], "folder": str(place), "errors": stderr.name}
        return Forked(self, self.answer(asked), stderr)

    def answer(self, asked: dict[str, Any]) -> Any:
        """What the Python answers."""
        stdin, stdout = self._python.stdin, self._python.stdout
        assert stdin is not None
        assert stdout is not None
        print(json.dumps(asked), file=stdin, flush=True)
        return json.loads(stdout.readline())


class Forked:
    """A started command, with what tests use of ``subprocess.Popen``."""

    def __init__(self, forking: Forking, pid: int, stderr: BinaryIO) -> None:
        self._forking = forking
        self.pid, self.stderr = pid, stderr
        self.returncode: int | None = None

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()
        self.stderr.close()

    def poll(self) -> int | None:
        """The exit code, minus a signal's number after a kill; ``None`` while it runs."""
        if self.returncode is None:
            self.returncode = self._forking.answer({"ended": self.pid})
        return self.returncode

    def wait(self, timeout: float = 600) -> int:
        """The exit code, as soon as it has ended."""
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(0.01)
        return code

    def kill(self) -> None:
        """Kills the process, but not its workers."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def serve() -> None:
    """Imports what commands use, then answers each line of stdin with a line."""
    import importlib

    for name in USED:
        importlib.import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        answer = _ended(asked["ended"]) if "ended" in asked else _forked(**asked)
        print(json.dumps(answer), flush=True)


def _ended(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _forked(words: list[str], folder: str, errors: str) -> int:
    pid = os.fork()
    with contextlib.suppress(OSError):  # both do it, so that the group is there for both
        os.setpgid(pid, pid)
    if pid:
        return pid
    os.chdir(folder)
    for number, name in enumerate((os.devnull, os.devnull, errors)):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND), number)
    sys.path[0] = folder
    sys.argv = ["bench", *words]
    from bench.commands.cli import main

    sys.exit(main())
