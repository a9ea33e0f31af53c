"""The connection of this process to a Ray cluster: connects, knows the live nodes, and notices lost ones."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import torch

from bench.engine.versions import versions
from bench.engine.where import Where
from bench.errors import CellError, UsageError, in_words

REACHED = 5.0  # seconds in which a cluster must answer
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Lost(Exception):
    """A process of the cluster ended before it answered."""


class Connection:
    """The connection of this process to a cluster, and the CPUs or GPUs it may use.

    Args:
        where: the cluster, how many cells run at once at most, and whether on GPUs.

    Attributes:
        ray: the module.
        most: CPUs or GPUs that were free at first, at most as many as were asked for.

    Raises:
        UsageError: the cluster cannot be reached, has nothing free, or a node has other versions.
    """

    def __init__(self, where: Where) -> None:
        self.ray: Any = importlib.import_module("ray")
        self._kind = "CPU" if where.devices[0] == "cpu" else "GPU"
        with _handlers_kept():
            self._connect(where.cluster)
        try:
            self.most = self._free(where.most)
            self._check_versions()
        except BaseException:
            self.leave()
            raise

    def _connect(self, address: str) -> None:
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
        count = address.removeprefix("local:") if address.startswith("local:") else ""
        if count:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            self._check_local(int(count))
            options |= {
                "address": "local",
                f"num_{self._kind.lower()}s": int(count),
                "include_dashboard": False,
            }
        else:
            _check_answer(address)
            options["address"] = address
        try:
            self.ray.init(**options)
        except Exception as fault:  # Ray raises plain ones, too
            found = isinstance(fault, ConnectionError) and address == "auto"
            why = "no Ray cluster was found" if found else in_words(fault)
            remedy = "start one with ray start --head, or give local:N"
            if count:
                remedy = "try again when the machine has less to do"
            raise UsageError(f"--cluster {address}: {why}; {remedy}") from fault

    def _check_local(self, count: int) -> None:
        if self._kind == "GPU" and count > (found := torch.cuda.device_count()):
            raise UsageError(f"--cluster local:{count}, but torch finds {found} GPU here; give local:{found}")

    def _free(self, most: int | None) -> int:
        free = int(self.ray.available_resources().get(self._kind, 0))
        if not free:
            raise UsageError(f"the cluster has no free {self._kind}; wait for its other jobs, or add a node")
        return free if most is None else min(free, most)

    def _check_versions(self) -> None:
        """Raises ``UsageError`` unless every node has this process's versions: others give other numbers."""
        ask, own = self.ray.remote(num_cpus=0)(versions), versions()
        pin = importlib.import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
        asked = {
            node["NodeManagerAddress"]: ask.options(
                scheduling_strategy=pin(node["NodeID"], soft=False)
            ).remote()
            for node in self._nodes()
        }
        for node, answer in asked.items():
            try:
                found = self.get(answer)
            except (CellError, Lost) as fault:
                raise UsageError(
                    f"node {node} cannot run cells ({in_words(fault)}); install symbench and Ray there as here"
                ) from fault
            if other := [
                f"{name} {found[name]}, here {own[name]}" for name in own if found[name] != own[name]
            ]:
                raise UsageError(
                    f"node {node} has {'; '.join(other)}; install the same versions on every node"
                )

    @property
    def slots(self) -> int:
        """Cells that may run at once: one on each CPU or GPU of the nodes that live, within ``most``."""
        living = sum(int(node["Resources"].get(self._kind, 0)) for node in self._nodes())
        return max(1, min(self.most, living))

    def _nodes(self) -> list[dict[str, Any]]:
        return [node for node in self.ray.nodes() if node["Alive"]]

    def lives(self, node: str) -> bool:
        """Whether the node with this id is still in the cluster."""
        return any(each["NodeID"] == node for each in self._nodes())

    def worker(self, kind: type) -> Any:
        """Starts a worker that has a CPU or GPU to itself, once one is free."""
        own = {"num_cpus": 1} if self._kind == "CPU" else {"num_cpus": 0, "num_gpus": 1}
        return self.ray.remote(**own)(kind).remote()

    def get(self, reference: Any) -> Any:
        """The result of a call; ``CellError`` if Ray cannot send the call or its result, ``Lost`` for no answer."""
        faults = self.ray.exceptions
        try:
            return self.ray.get(reference)
        except faults.RayTaskError as fault:
            raise CellError(in_words(fault.cause)) from None
        except faults.RayError as fault:
            raise Lost(in_words(fault)) from None

    def wait_for_end(self, worker: Any) -> None:
        """Waits until the cluster knows whether a worker that does not answer has ended."""
        faults = self.ray.exceptions
        while True:
            try:
                self.ray.get(worker.about.remote())
                return  # it could not be reached for a while
            except faults.ActorUnavailableError:
                time.sleep(0.5)
            except faults.RayError:
                return

    def leave(self) -> None:
        """Disconnects, which ends what this process started there; a local cluster is stopped."""
        with _handlers_kept():
            self.ray.shutdown()


def _check_answer(address: str) -> None:
    """Raises ``UsageError`` unless something listens at ``HOST:PORT``: Ray would try for minutes."""
    host, colon, port = address.rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACHED).close()
    except (OSError, OverflowError) as fault:
        raise UsageError(
            f"--cluster {address}: nothing answers there ({in_words(fault)}); give the address that "
            "ray start --head printed"
        ) from fault


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """Restores the handlers of SIGINT and SIGTERM, which Ray changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.getsignal(each) for each in _SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
