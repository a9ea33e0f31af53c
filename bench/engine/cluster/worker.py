"""A worker of a cluster: a process on one of its nodes that measures one cell after another."""

from __future__ import annotations

import importlib
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.engine.loaded import Task, worker
from bench.engine.result import CellResult
from bench.engine.workers import called, settle
from bench.inputs.own_attacks import OwnAttack
from bench.inputs.packing import moved, sources_of, unpack, with_sources
from bench.inputs.sources import ModelSource

Reference = Any  # of Ray: to an object in the object store of each node


class ClusterWorker:
    """Runs in a process of its own, which Ray starts; loads images and models when they are first needed."""

    def __init__(self) -> None:
        settle()
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
        self._folder = tempfile.TemporaryDirectory(prefix="symbench-")
        self._moved: dict[ModelSource | OwnAttack, Any] = {}
        self._data: set[Any] = set()

    def about(self) -> str:
        """The id of the node this process is on."""
        return _ray().get_runtime_context().get_node_id()

    def run(self, task: Task, images: Sequence[Reference], packed_files: Sequence[Reference]) -> object:
        """The result of a task, or its exception: Ray would end this process at ``SystemExit``.

        Args:
            task: what to measure.
            images: reference to its images, in a list, as Ray would otherwise unpack them for each call.
            packed_files: references to the files of its model and then of ``sources_of`` its attack.
        """
        try:
            return called(self._run, task, images, packed_files)
        except BaseException as fault:
            return fault

    def _run(self, task: Task, images: Sequence[Reference], packed_files: Sequence[Reference]) -> CellResult:
        if task.data not in self._data:
            worker().keep_data(task.data, _ray().get(images[0]))
            self._data.add(task.data)
        sources = (task.model, *sources_of(task.attack))
        model, *others = map(self._unpacked, sources, packed_files)
        return worker().run(replace(task, model=model, attack=with_sources(task.attack, others)))

    def _unpacked(self, source: Any, reference: Reference) -> Any:
        if source not in self._moved:
            folder = Path(self._folder.name) / str(len(self._moved))
            folder.mkdir()
            unpack(_ray().get(reference), folder)
            self._moved[source] = moved(source, folder)
        return self._moved[source]

    def leave(self) -> None:
        """Removes the files; the process is ended from outside."""
        self._folder.cleanup()


def _end_with(parent: int) -> None:
    """Ends this process, whatever it computes, when Ray's own process of this node is gone."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _ray() -> Any:
    return importlib.import_module("ray")
