"""Packs the files that a model or an attack needs on another machine, and unpacks them there.

Weights of the zoo are sent with their record; a model file with its imports and the Python files beside these.
Installed packages are not sent, nor files that a factory opens by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from bench.inputs import own_models
from bench.inputs.own_attacks import OwnAttack
from bench.inputs.own_code import source_files
from bench.inputs.own_surrogates import OwnSurrogates
from bench.inputs.sources import ModelSource
from zoo import registry

SourceT = TypeVar("SourceT", ModelSource, OwnAttack)
Own = OwnAttack | OwnSurrogates | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedFiles:
    """Files by content.

    Attributes:
        files: content by path below the root directory; unpacked, the path is the same below another directory.
        roots: directories, as the paths of files, that imports start from.
        record: of the zoo's weights; these are then the only file.
    """

    files: dict[str, bytes]
    roots: tuple[str, ...] = ()
    record: registry.WeightsRecord | None = None


def sources_of(attack: Own) -> tuple[ModelSource | OwnAttack, ...]:
    """The sources whose files must be sent: the attack itself if it is a user's own, or its surrogate models."""
    if isinstance(attack, OwnSurrogates):
        return tuple(source for _, source in attack.sources)
    return () if attack is None else (attack,)


def with_sources(attack: Own, sources: Sequence[Any]) -> Own:
    """The attack with its ``sources_of`` replaced."""
    if isinstance(attack, OwnSurrogates):
        names = [name for name, _ in attack.sources]
        return OwnSurrogates(tuple(zip(names, sources, strict=True)))
    return None if attack is None else sources[0]


def packed(source: ModelSource | OwnAttack) -> PackedFiles:
    """The files that a model or an attack needs besides installed packages; runs its code if it is not of the zoo."""
    if isinstance(source, OwnAttack):
        return _files(_attack_files(source), ())
    if source.kind == "zoo":
        record = source.record()
        return PackedFiles(files={record.file: record.path.read_bytes()}, record=record)
    code = source.code_files(source.build()) if source.kind == "file" else []
    return _files(code, [Path(source.weights)] if source.weights is not None else [])


def _attack_files(attack: OwnAttack) -> list[Path]:
    if attack.kind != "file":
        return []
    function = attack.load()
    return source_files(nn.Module(), own_models.module_of("file", attack.target), function)


def _files(code: list[Path], others: Iterable[Path]) -> PackedFiles:
    beside = {each.resolve() for folder in {file.parent for file in code} for each in folder.glob("*.py")}
    known = [Path(each).resolve() for each in sys.path]
    roots = [root for root in dict.fromkeys(known) if any(file.is_relative_to(root) for file in code)]
    return PackedFiles(
        files={_below(each): each.read_bytes() for each in sorted({*code, *beside, *others})},
        roots=tuple(map(_below, roots)),
    )


def _below(path: Path) -> str:
    """A path as one below the root directory."""
    return path.relative_to(path.anchor).as_posix()


def unpack(packed_files: PackedFiles, folder: Path) -> None:
    """Writes the files below a folder; imports look there first."""
    for name, content in packed_files.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    if packed_files.record is not None:
        registry.add(folder, packed_files.record)
    sys.path[:0] = [str(folder / root) for root in packed_files.roots]


def moved(source: SourceT, folder: Path) -> SourceT:
    """The source of a model or an attack whose files were unpacked into a folder."""
    if source.kind == "zoo":
        return replace(source, weights=str(folder))
    if source.kind == "file":
        path, _, name = source.target.rpartition(":")
        source = replace(source, target=f"{_there(path, folder)}:{name}")
    if isinstance(source, ModelSource) and source.weights is not None:
        source = replace(source, weights=_there(source.weights, folder))
    return source


def _there(path: str, folder: Path) -> str:
    return str(folder / _below(Path(path).resolve()))
