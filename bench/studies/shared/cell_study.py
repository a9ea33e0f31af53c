"""The base of studies without attack curves: a run is a setting and models, a page shows the newest setting."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from bench.engine.driver import Failure, versions
from bench.engine.lane import Lane
from bench.engine.store import Store
from bench.engine.study import Batch, Study
from bench.inputs.model_info import ModelInfo
from bench.studies.shared.collect import history
from bench.studies.shared.evaluation import CellSetting, PreparedCells
from bench.studies.shared.pages import Shown, draw_newest

SettingT = TypeVar("SettingT", bound=CellSetting)
ResultsT = TypeVar("ResultsT", bound=Shown)


class CellStudy(Study[PreparedCells[SettingT], ResultsT]):
    """A study whose cells do not depend on each other; its runs are stored under its name."""

    @staticmethod
    @abstractmethod
    def collected(
        store: Store,
        setting: SettingT,
        models: Sequence[ModelInfo],
        *,
        versions: Mapping[str, str],
        command: str,
        failed: Sequence[str] = (),
    ) -> ResultsT:
        """The stored results of a setting; a model with a missing cell is left out."""

    @staticmethod
    @abstractmethod
    def read_setting(fields: Mapping[str, Any]) -> SettingT:
        """The setting, which must be hashable, of the fields that a run keeps."""

    @abstractmethod
    def write(self, results: ResultsT, others: Sequence[ResultsT], out: Path) -> Path:
        """Writes the page of some results, with those of other settings after them."""

    def history(self, store: Store, dataset: str | None = None) -> list[ResultsT]:
        """All settings a store has runs of, the newest first."""
        return history(store, self.name, dataset, self.read_setting, self.collected)

    def lanes(self, ready: PreparedCells[SettingT]) -> Sequence[Lane]:
        return ready.lanes

    def records(self, ready: PreparedCells[SettingT]) -> Sequence[dict[str, Any]]:
        run = {
            "schema": 1,
            "kind": self.name,
            "setting": asdict(ready.setting),
            "models": [asdict(info) for info in ready.infos],
            "versions": versions(),
            "command": ready.command,
        }
        return [run]

    def batches(self, ready: PreparedCells[SettingT], store: Store) -> Iterator[Batch]:
        yield Batch(planned=(ready,), lanes=ready.lanes)

    def collect(self, ready: PreparedCells[SettingT], store: Store, failures: Sequence[Failure]) -> ResultsT:
        return self.collected(
            store,
            ready.setting,
            ready.infos,
            versions=versions(),
            command=ready.command,
            failed=[str(failure) for failure in failures],
        )

    def datasets(self, store: Store) -> Iterable[str]:
        return dict.fromkeys(results.setting.dataset for results in self.history(store))

    def page(self, store: Store, dataset: str, out: Path, results: ResultsT | None = None) -> Path | None:
        return draw_newest(self.history(store, dataset), results, self.write, out)
