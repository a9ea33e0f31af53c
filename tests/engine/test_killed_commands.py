"""kill -9 of the main process at random moments: no process is left after 5 seconds."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.engine.test_isolation import NET
from tests.forked import Forking
from tests.processes import children, gone, until

COMMANDS = {
    "run": "run --model baseline_cnn,own.py:net --attacks pgd --steps 40 --workers 2",
    "clever": "clever --model baseline_cnn,own.py:net --workers 2",
    "audit": "audit --model baseline_cnn,own.py:net --workers 2",
    "train": "train baseline_cnn_4@9 --epochs 50 --out weights",
}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc")
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("command", COMMANDS)
def test_killed_at_a_random_moment_it_leaves_no_process(
    command: str, seed: int, forking: Forking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command is forked: the moments lie in its work and the start of its workers, not in its imports."""
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(NET)
    with forking.start(COMMANDS[command].split()) as process:
        time.sleep(random.Random(f"{command}{seed}").uniform(0, 6))
        left = descendants(process.pid)
        process.kill()
        killed = time.monotonic()
        process.wait()
        assert until(lambda: gone(left), seconds=5 - (time.monotonic() - killed))


def descendants(of: int) -> list[int]:
    """Children and their children."""
    found = children(of)
    return found + [each for child in found for each in descendants(child)]
