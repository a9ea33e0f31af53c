"""Several devices: each gets a process, and the numbers stay those of one process. ``cpu:0`` stands for a GPU."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest
import torch

from bench.engine import rooms
from bench.engine.executors import Processes, Separated, executor_for
from bench.engine.loaded import worker
from bench.engine.where import Where
from bench.errors import UsageError
from bench.studies.shared.arguments import device_options
from bench.studies.shared.where import devices_of, where_of
from tests.engine.test_isolation import NET
from tests.executed import asked, digests
from tests.processes import until

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def options(**given: object) -> Namespace:
    """Those of the place of the work, as a command line without them has them, but for those given."""
    parser = ArgumentParser()
    device_options(parser.add_argument_group())
    return parser.parse_args([], Namespace(**given))


@pytest.mark.parametrize(
    ("text", "devices"),
    [("cpu", ("cpu",)), ("cuda", ("cuda",)), ("cuda:1", ("cuda:1",)), ("cuda:1,cuda:0", ("cuda:1", "cuda:0")),
     ("cuda:all", ("cuda:0", "cuda:1"))],
)  # fmt: skip
@pytest.mark.usefixtures("two_gpus")
def test_devices_as_they_are_named(text: str, devices: tuple[str, ...]) -> None:
    assert devices_of(text) == devices
    if text != "cpu":
        assert where_of(options(device=text)) == Where(devices=devices)


@pytest.mark.parametrize(
    ("text", "says"),
    [("cuda:2", "cuda:0 to cuda:1"), ("cuda:0,cuda:0", "each GPU once"), ("cuda,cuda:1", "by number"),
     ("cpu,cuda:0", "by number"), ("cuda:x", "unknown device 'cuda:x'"), ("cuda:0,", "unknown device ''"),
     ("cpu:3", "unknown device")],
)  # fmt: skip
@pytest.mark.usefixtures("two_gpus")
def test_devices_that_are_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        devices_of(text)


def test_a_cpu_has_a_device_for_every_worker() -> None:
    assert where_of(options(workers=3)) == Where(devices=("cpu",) * 3)


@pytest.mark.parametrize(
    ("workers", "device", "says"), [(4, "cuda", True), (1, "cuda", False), (4, "cpu", False)]
)
@pytest.mark.usefixtures("two_gpus")
def test_workers_that_a_gpu_has_no_use_for_are_said(
    workers: int, device: str, says: bool, capsys: Capture
) -> None:
    where_of(options(workers=workers, device=device))
    assert ("--workers is 4" in capsys.readouterr().err) == says


@pytest.mark.parametrize(
    ("cluster", "device", "says"),
    [("everywhere", "cpu", "HOST:PORT"), ("local:0", "cpu", "local:N"), ("ray://head:10001", "cpu", "HOST:PORT"),
     ("auto", "cuda:0,cuda:1", "--device cuda")],
)  # fmt: skip
@pytest.mark.usefixtures("two_gpus")
def test_clusters_that_are_refused(cluster: str, device: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        where_of(options(cluster=cluster, device=device))


@pytest.mark.rooms
def test_every_process_of_a_room_has_a_place_of_its_own(tmp_path: Path) -> None:
    room = rooms.Room(2)
    busy = room.submit(until, (tmp_path / "go").exists)
    assert room.submit(rooms.place).result() == 1
    (tmp_path / "go").touch()
    assert busy.result()
    assert rooms.place() == 0
    room.close()


def devices_loaded() -> tuple[str, ...]:
    """On which devices this process has models."""
    return tuple(sorted({device for _, device, _ in worker()._models}))


@pytest.mark.rooms
@pytest.mark.slow
def test_two_devices_have_a_process_each_and_change_no_number(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(NET)
    own = f"{tmp_path}/own.py:net"
    evaluation = asked("baseline_cnn_4", own, n=300)
    both = executor_for(evaluation.loaded, Where(devices=("cpu:0", "cpu:1")))
    assert isinstance(both, Separated)
    assert both.slots == 2
    found, failures = digests(evaluation, both)
    assert not failures
    assert isinstance(both._zoo, Processes)
    (apart,) = both._rooms._rooms.values()
    for room, looked_at_on in ((both._zoo._room, ()), (apart, ("cpu",))):
        devices = [each.submit(devices_loaded).result() for each in room._workers]
        # a second process starts only while the first is at work, and these cells are short
        assert devices == [(*looked_at_on, "cpu:0"), ("cpu:1",)][: len(devices)]
    both.close()
    evaluation = asked("baseline_cnn_4", own, n=300)
    alone = executor_for(evaluation.loaded, Where(devices=("cpu",)))
    assert digests(evaluation, alone) == (found, ())
    alone.close()
