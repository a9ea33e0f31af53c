"""A Ray cluster gives the numbers of one process, whatever happens to its nodes; needs Ray but for the first tests."""

from __future__ import annotations

import importlib.util
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.engine.cluster import connection
from bench.engine.executors import executor_for
from bench.engine.where import Where
from bench.errors import UsageError
from bench.inputs.packing import moved, packed, unpack
from bench.inputs.sources import find_model
from tests.engine.test_isolation import NET
from tests.executed import asked, digests
from tests.own import call
from tests.processes import until

Capture = pytest.CaptureFixture[str]
HERE = Where(devices=("cpu",))
RUN = ("run", "--model", "baseline_cnn_4", "--attacks", "fgsm", "--eps", "0.1", "--n", 40)
MODEL = """
import helper
from parts.layer import Layer

class Net(Layer):
    def forward(self, x):
        import late
        return late.scaled(super().forward(x), helper.FACTOR)

def net(): return Net()
"""


def write_model(folder: Path) -> str:
    """A model file that imports a neighbour, a package beside it, and another neighbour when it is called."""
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "__init__.py").touch()
    (folder / "parts" / "layer.py").write_text(NET.replace("Net", "Layer"))
    (folder / "helper.py").write_text("FACTOR = 2.0\n")
    (folder / "late.py").write_text("def scaled(x, factor): return x * factor\n")
    (folder / "own.py").write_text(MODEL)
    return f"{folder}/own.py:net"


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_one_sentence_says_what_to_install(tmp_path: Path, capsys: Capture) -> None:
    answer = call(capsys, *RUN, "--cluster", "auto", "--store", tmp_path / "store")
    assert answer.code == 2
    assert "pip install 'symbench[cluster]'" in answer.err
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize(
    ("address", "remedy"), [("local:2", "less to do"), ("10.0.0.1:1", "ray start --head")]
)
def test_a_cluster_that_does_not_start_is_one_sentence(
    address: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray raises a plain ``Exception`` when its node starts too slowly."""

    def init(**_: object) -> None:
        raise Exception("The current node timed out during startup.")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init))
    monkeypatch.setattr(connection, "_check_answer", lambda address: None)
    with pytest.raises(UsageError, match=f"--cluster {address}: .*timed out.*; .*{remedy}"):
        connection.Connection(Where(devices=("cpu",), cluster=address))


def test_nothing_of_ray_is_imported_without_a_cluster() -> None:
    code = (
        "import sys; from bench.engine.executors import *; from bench.engine.loaded import Loaded; "
        "executor_for(Loaded(), Where(devices=('cpu',))); import bench.commands.measure; "
        "print([m for m in sys.modules if m.split('.')[0] == 'ray' or m.startswith('bench.engine.cluster')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["baseline_cnn_4", "own.py:net"])
def test_a_model_is_the_same_where_its_files_are_unpacked(name: str, tmp_path: Path) -> None:
    """In another process, for it must not find the files where they were packed."""
    target = write_model(tmp_path / "home") if name.startswith("own") else name
    source, info = find_model(target, dataset="digits", weights=None, weights_from=None)
    packed_files = packed(source)
    unpack(packed_files, tmp_path / "there") if source.kind == "zoo" else None
    there = moved(source, tmp_path / "there")
    if source.kind == "zoo":
        assert there.record().path.is_relative_to(tmp_path)
        assert there.digest(there.build()) == info.weights
        return
    assert {Path(each).name for each in packed_files.files} == {
        "own.py", "helper.py", "late.py", "layer.py", "__init__.py"
    }  # fmt: skip
    (tmp_path / "home").rename(tmp_path / "away")
    code = (
        "import pickle, sys; from pathlib import Path; from bench.inputs.packing import unpack; "
        "packed_files, folder, source = pickle.load(sys.stdin.buffer); unpack(packed_files, folder); "
        "print(source.digest(source.build()))"
    )
    given = pickle.dumps((packed_files, tmp_path / "there", there))
    (tmp_path / "there").mkdir()
    done = subprocess.run([sys.executable, "-c", code], input=given, capture_output=True, check=True)
    assert done.stdout.decode().strip() == info.weights


needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
slow = pytest.mark.slow


@pytest.fixture
def two_nodes() -> Iterator[tuple[Any, Any]]:
    """A cluster of two nodes on this machine, each with one CPU, and the second node."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster, node
    cluster.shutdown()


def workers(called: bytes = b"ray::ClusterWorker") -> list[int]:
    """Processes of ours on the nodes of clusters on this machine, or others by what they are called."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if called in file.read_bytes():
                found.append(int(file.parent.name))
        except OSError:
            continue
    return found


def ray_processes() -> list[int]:
    """Processes of Ray itself."""
    return [*workers(b"raylet/raylet"), *workers(b"gcs/gcs_server")]


@needs_ray
@slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_a_command_that_is_stopped_leaves_no_worker(number: int, code: int, tmp_path: Path) -> None:
    own = write_model(tmp_path / "home")
    words = [sys.executable, "-m", "bench.commands.cli", "run", "--model", f"baseline_cnn,{own}", "--attacks",
             "pgd", "--steps", "200", "--cluster", "local:2"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        words, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:  # fmt: skip
        until(lambda: len(workers()) == 2, process, seconds=300)  # a busy machine starts them slowly
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)  # Ctrl-C reaches all
        assert process.wait(timeout=60) == code
        assert until(lambda: not workers() and not ray_processes(), seconds=20)
        said = process.stderr.read().decode() if process.stderr else ""
    assert "Traceback" not in said
    assert number == signal.SIGKILL or "what was measured is kept" in said


@needs_ray
@slow
@pytest.mark.processes
def test_a_node_that_is_killed_in_the_middle_loses_nothing(
    two_nodes: tuple[Any, Any], tmp_path: Path
) -> None:
    cluster, node = two_nodes
    own = write_model(tmp_path / "home")
    evaluation = asked("baseline_cnn_4", own, n=360, steps=20)
    alone = executor_for(evaluation.loaded, HERE)
    before = digests(evaluation, alone)
    alone.close()
    assert len(before[0]) == 4 * 2 * 5
    evaluation = asked("baseline_cnn_4", own, n=360, steps=20)
    on_nodes = executor_for(evaluation.loaded, Where(devices=("cpu",), cluster=cluster.address))
    assert on_nodes.slots == 2
    killed: list[int] = []

    def kill_at_12(count: int, _: int) -> None:
        if count >= 12 and not killed:
            killed.extend(process.pid for _, process in node.live_processes())
            for each in killed:
                os.kill(each, signal.SIGKILL)

    found = digests(evaluation, on_nodes, kill_at_12)
    assert killed
    assert found == before
    assert on_nodes.slots == 1
    on_nodes.close()
    assert until(lambda: not workers())
