"""The contract of a study: what ``bench NAME`` asks for, measures, stores and shows.

``commands/measure.py`` runs every study the same way: prepare → dry run → record → batches → collect → publish →
page → screen. A study outside this package is an object of this class behind an entry point of the group
``symbench.studies``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from bench.engine.driver import Failure, Planned
from bench.engine.kind import Kind
from bench.engine.lane import Lane
from bench.engine.loaded import Loaded
from bench.engine.store import Store


@runtime_checkable
class Ready(Protocol):
    """A request that can be measured: everything that can be refused has been."""

    @property
    def loaded(self) -> Loaded: ...

    @property
    def device(self) -> str: ...

    @property
    def dataset(self) -> str: ...


ReadyT = TypeVar("ReadyT", bound=Ready)
ResultsT = TypeVar("ResultsT")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Batch:
    """Lanes that may run side by side.

    Attributes:
        planned: requests of the same images and device, whose models the lanes are of.
        lanes: what is measured.
    """

    planned: Sequence[Planned]
    lanes: Sequence[Lane]


class Study(ABC, Generic[ReadyT, ResultsT]):
    """A study; subclasses give what is abstract here.

    Attributes:
        name: of the command.
        kinds: kinds of its cells by name; needed of studies outside this package only.
        at_most: whether ``seconds`` is an upper bound, rather than an estimate.
        has_rows: whether it writes rows to the leaderboard.
        in_parts: whether leaderboard and page are written after every batch, not after the last one only.
    """

    name: ClassVar[str]
    kinds: ClassVar[Mapping[str, Kind]] = {}
    at_most: ClassVar[bool] = True
    has_rows: ClassVar[bool] = False
    in_parts: ClassVar[bool] = False

    @abstractmethod
    def options(self, parser: ArgumentParser) -> None:
        """Adds the study's options to those of its command."""

    @abstractmethod
    def prepare(self, options: Namespace) -> ReadyT:
        """Resolves a request and looks once at every model; ``UsageError`` for what cannot be measured."""

    def notes(self, ready: ReadyT, options: Namespace) -> Iterable[str]:
        """Lines for the terminal before anything runs."""
        return ()

    @abstractmethod
    def lanes(self, ready: ReadyT) -> Sequence[Lane]:
        """All that a request can need."""

    @abstractmethod
    def seconds(self, ready: ReadyT, store: Store) -> float:
        """Seconds of one worker for what a store lacks."""

    @abstractmethod
    def records(self, ready: ReadyT) -> Sequence[dict[str, Any]]:
        """What the store keeps before measuring, so that a run that was killed can be shown; the newest last."""

    @abstractmethod
    def batches(self, ready: ReadyT, store: Store) -> Iterator[Batch]:
        """What is measured, part by part; a later part may depend on what the store then holds."""

    @abstractmethod
    def collect(self, ready: ReadyT, store: Store, failures: Sequence[Failure]) -> ResultsT:
        """What the store holds of a request."""

    def publish(self, table: Path, store: Store, results: ResultsT) -> tuple[ResultsT, int]:
        """Writes rows to a leaderboard; the results as they are shown, and the number of rows."""
        return results, 0

    @abstractmethod
    def datasets(self, store: Store) -> Iterable[str]:
        """Data sets that a store has runs on."""

    def page(self, store: Store, dataset: str, out: Path, results: ResultsT | None = None) -> Path | None:
        """Draws the page of a data set; ``None`` where there is nothing to show.

        Args:
            store: holds the runs.
            dataset: name of the data set.
            out: directory of the pages.
            results: of the run that has just ended; ``None`` to draw what the store holds.
        """
        return None

    def warnings(self, results: ResultsT) -> Iterable[str]:
        """Lines for the terminal after measuring."""
        return ()

    def faults(self, results: ResultsT) -> Iterable[str]:
        """What shows that the program itself is wrong, a line each: the command then ends with exit code 1."""
        return ()

    @abstractmethod
    def as_json(self, results: ResultsT) -> list[dict[str, Any]]:
        """Rows for ``--json``."""

    @abstractmethod
    def show(self, results: ResultsT) -> None:
        """Prints the table of the terminal."""
