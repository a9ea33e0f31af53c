"""Draws the page of the setting that was measured last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable


@runtime_checkable
class OnData(Protocol):
    """A setting that names its data set."""

    @property
    def dataset(self) -> str: ...


@runtime_checkable
class Shown(Protocol):
    """The common fields of results with a page of their own; they are dataclasses."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def setting(self) -> OnData: ...

    @property
    def models(self) -> Sequence[object]: ...

    @property
    def failed(self) -> Sequence[str]: ...


ShownT = TypeVar("ShownT", bound=Shown)


def draw_newest(
    history: Sequence[ShownT],
    results: ShownT | None,
    draw: Callable[[ShownT, Sequence[ShownT], Path], Path],
    directory: Path,
) -> Path | None:
    """Draws the page of the setting measured last, with the other ones after it; ``None`` if there is none.

    Args:
        history: the stored results of each setting, the newest first.
        results: of the run that has just ended; ``None`` for the newest of ``history`` that has models.
        draw: writes the page of some results, the other settings' and the directory given.
        directory: where the page goes.
    """
    newest = results or next((each for each in history if each.models), None)
    if newest is None:
        return None
    # The store may hold more models of this setting than this run asked for; failures are this run's.
    known = {each.setting: each for each in history}
    shown = known.get(newest.setting, newest)
    others = [each for each in history if each.setting != newest.setting and each.models]
    return draw(replace(shown, failed=newest.failed), others, directory)
