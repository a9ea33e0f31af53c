"""The contract of a study, which ``bench NAME`` runs.

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
    """A request that can be measured: all checks have passed."""

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
    """Lanes that may run at the same time.

    Attributes:
        planned: requests of the same images and device, with the models of the lanes.
        lanes: the work.
    """

    planned: Sequence[Planned]
    lanes: Sequence[Lane]


class Study(ABC, Generic[ReadyT, ResultsT]):
    """A study; subclasses define the abstract methods.

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
        """Resolves a request and checks every model once; ``UsageError`` if it cannot be measured."""

    def notes(self, ready: ReadyT, options: Namespace) -> Iterable[str]:
        """Lines for the terminal before anything runs."""
        return ()

    @abstractmethod
    def lanes(self, ready: ReadyT) -> Sequence[Lane]:
        """All lanes that a request can need."""

    @abstractmethod
    def seconds(self, ready: ReadyT, store: Store) -> float:
        """Seconds that one worker takes for the cells that a store lacks."""

    @abstractmethod
    def records(self, ready: ReadyT) -> Sequence[dict[str, Any]]:
        """The runs that the store keeps before measuring, so that a killed run can be shown; the newest last."""

    @abstractmethod
    def batches(self, ready: ReadyT, store: Store) -> Iterator[Batch]:
        """The work, part by part; a later part may depend on the results of earlier ones in the store."""

    @abstractmethod
    def collect(self, ready: ReadyT, store: Store, failures: Sequence[Failure]) -> ResultsT:
        """The results of a request from the store."""

    def publish(self, table: Path, store: Store, results: ResultsT) -> tuple[ResultsT, int]:
        """Writes rows to a leaderboard; returns the results to show, and the number of rows."""
        return results, 0

    @abstractmethod
    def datasets(self, store: Store) -> Iterable[str]:
        """Data sets of the runs in a store."""

    def page(self, store: Store, dataset: str, out: Path, results: ResultsT | None = None) -> Path | None:
        """Draws the page of a data set; ``None`` where there is nothing to show.

        Args:
            store: holds the runs.
            dataset: name of the data set.
            out: directory of the pages.
            results: of the run that has just ended; ``None`` to draw what the store holds.
        """
        return None

    def pages(self, store: Store, dataset: str, out: Path) -> Iterator[Path]:
        """Draws all pages of a data set from the store; a study with more than one page replaces this."""
        page = self.page(store, dataset, out)
        if page:
            yield page

    def audited(self, results: ResultsT) -> bool:
        """Whether an audit has judged every model of the results, so that no audit is suggested next."""
        return False

    def warnings(self, results: ResultsT) -> Iterable[str]:
        """Lines for the terminal after measuring."""
        return ()

    def faults(self, results: ResultsT) -> Iterable[str]:
        """Faults of the program itself, a line each; with any, the command ends with exit code 1."""
        return ()

    @abstractmethod
    def as_json(self, results: ResultsT) -> list[dict[str, Any]]:
        """Rows for ``--json``."""

    @abstractmethod
    def show(self, results: ResultsT) -> None:
        """Prints the table of the terminal."""
