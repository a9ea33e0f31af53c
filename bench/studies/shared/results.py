"""Results of studies without attack curves: of all models of one setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

SettingT = TypeVar("SettingT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SettingResults(Generic[SettingT, ResultT]):
    """All models of one setting.

    Attributes:
        setting: what they share.
        models: in the order of the request.
        versions: package name → version.
        command: the command that made them, with paths as ``$DATA``.
        failed: cells that failed, with the reason.
    """

    setting: SettingT
    models: tuple[ResultT, ...]
    versions: Mapping[str, str]
    command: str
    failed: tuple[str, ...] = ()
