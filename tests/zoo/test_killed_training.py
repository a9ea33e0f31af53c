"""``bench train`` killed at any moment after its first checkpoint and started again ends with the same bits."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.forked import Forking
from zoo import registry

NAMES = "baseline_cnn_4,baseline_cnn_4.pgd_at_half@1,equivariant_gcnn_4"
FILES = 4  # of weights: one training holds images out and so has its best epoch's too


def words(out: Path) -> list[str]:
    return ["train", NAMES, "--epochs", "6", "--width", "0.5", "--threads", "1", "--out", str(out)]


def trained(out: Path) -> dict[str, str]:
    """The sha256 of all weights by name, each file checked against its own."""
    known = registry.records(out)
    for record in known.values():
        registry.load_record(record)
    return {key: record.sha256 for key, record in known.items()}


def gone(group: int) -> bool:
    """Whether no process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def moment(out: Path) -> float:
    """Grows with every checkpoint and every file of weights; 0 before the first."""
    found = [path.stat().st_mtime for path in (*out.rglob("*.ckpt"), *out.rglob("*.safetensors"))]
    return max(found, default=0.0)


def kill(forking: Forking, out: Path, delay: float) -> tuple[bool, bool]:
    """Kills the command `delay` seconds after it has written something anew.

    Returns whether it still ran then, and whether a checkpoint was there: only then is anything gone on with.
    """
    before, process = moment(out), forking.start(words(out), out.parent)
    while moment(out) == before and process.poll() is None:
        time.sleep(0.005)
    time.sleep(delay)
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    with process:
        process.wait(timeout=60)
    assert gone(process.pid)
    return alive, bool(list(out.rglob("*.ckpt")))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_kills_after_the_first_checkpoint_change_no_bit(forking: Forking, tmp_path: Path) -> None:
    """The undisturbed training has a new Python, so its hashes of strings are other ones than those of the others."""
    command = [sys.executable, "-m", "bench.commands.cli", *words(tmp_path / "calm")]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    calm = trained(tmp_path / "calm")
    assert len(calm) == FILES
    moments, torn = random.Random(0), tmp_path / "torn"
    kills = [kill(forking, torn, moments.uniform(0, 0.3)) for _ in range(7)]
    assert all(alive for alive, _ in kills)
    assert sum(checkpoint for _, checkpoint in kills) >= 4
    assert len(registry.records(torn)) < FILES  # the last kill, too, came before the end
    begun = [path.stem for path in torn.rglob("*.ckpt")]
    (tmp_path / "errors").unlink()  # what the killed ones said
    with forking.start(words(torn), tmp_path) as process:
        assert process.wait(timeout=900) == 0
        said = process.stderr.read().decode()
    assert gone(process.pid)
    assert trained(torn) == calm
    for name in begun:  # gone on with, not begun anew
        assert "epoch 1/6" not in said.partition(f"training {name} on")[2].partition("training")[0]
    assert not list(torn.rglob("*.ckpt"))
    curves = sorted(path.name for path in (tmp_path / "calm").rglob("*.csv"))
    for name in curves:
        assert (torn / "digits" / name).read_bytes() == (tmp_path / "calm" / "digits" / name).read_bytes()
