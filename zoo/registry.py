"""Finds trained weights by model and data set, checks them, and builds the model they belong to.

A directory of weights holds `weights.json`, one record for each "<data set>/<model>", and the safetensors
files it names. Nothing is ever loaded by unpickling.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import torchvision_sets
from zoo.data import BUILT_IN
from zoo.entries import Entry, UnknownModel, entry, own, parsed
from zoo.errors import UserError
from zoo.whole import replacing

if TYPE_CHECKING:
    import torch

__all__ = [
    "WeightsError",
    "WeightsRecord",
    "add",
    "data_options",
    "find",
    "load",
    "load_record",
    "records",
    "shipped",
]

SHIPPED = Path(__file__).parent / "weights"
LOCAL = Path("weights")
TABLE = "weights.json"
_OPTIONAL = ("epoch", "held_out_acc")  # later fields, absent from rows of which they say nothing


class WeightsError(UserError):
    """Weights that are missing, damaged or of another model: one sentence with the remedy."""


@dataclass(frozen=True, kw_only=True)
class WeightsRecord:
    """The facts about one file of weights.

    `clean_acc` is the accuracy of the weights as they are written, a fraction of the `clean_n` test images of digest
    `test_sha256`; None without a test set. `seconds` is the training time. Training that held images out says of which
    `epoch`, from 1, the weights are and the accuracy on those images then (`held_out_acc`, before rounding, under the
    recipe's last stage).
    """

    name: str
    architecture: str
    dataset: str
    file: str
    sha256: str
    recipe: dict[str, Any]
    seed: int
    epochs: int
    data_sha256: str
    classes: int
    channels: int
    size: int
    width: float | str
    parameters: int
    clean_acc: float | None
    clean_n: int
    torch: str
    threads: int
    device: str
    seconds: float
    test_sha256: str | None = None
    epoch: int | None = None
    held_out_acc: float | None = None
    path: Path = field(default=Path(), compare=False)

    @property
    def key(self) -> str:
        return f"{self.dataset}/{self.name}"


def records(directory: Path) -> dict[str, WeightsRecord]:
    """All records of a directory by key; empty without a `weights.json`. WeightsError if that is damaged."""
    table = directory / TABLE
    try:
        return dict(_records(table.read_text(encoding="utf-8"), directory))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(
            f"{table} is damaged ({error}): restore it, or remove it and train again"
        ) from error


def add(directory: Path, record: WeightsRecord) -> None:
    """Merges one record into `weights.json`, under a lock, whole or not at all; the others are kept."""
    import filelock

    with filelock.FileLock(directory / ".weights.lock"):
        rows = {key: _row(known) for key, known in records(directory).items()}
        rows[record.key] = _row(record)
        text = json.dumps(dict(sorted(rows.items())), indent=1) + "\n"
        write_whole(directory / TABLE, text.encode())


def shipped() -> dict[str, WeightsRecord]:
    """Records of the weights inside the package."""
    return records(SHIPPED)


def find(name: str, dataset: str, weights_from: str | Path | None = None) -> WeightsRecord:
    """The record of the model's weights for a data set: those shipped, else those in `./weights`.

    `weights_from` takes others: a data set's name, weights trained on that; a directory, its weights for
    `dataset` or, if it has those of one other data set only, these.

    Raises:
        UnknownModel: no such name.
        WeightsError: no such weights, or a damaged `weights.json`.
    """
    wanted = own(name) or parsed(name)
    if weights_from is not None and _is_directory(weights_from):
        known = records(Path(weights_from))
        only = {record.dataset for record in known.values()}
        trained_on = only.pop() if len(only) == 1 else dataset
        place, out = str(weights_from), f" --out {shlex.quote(str(weights_from))}"
    else:
        known = {**records(LOCAL), **shipped()}
        trained_on = dataset if weights_from is None else _trained_on(str(weights_from), known.values())
        place, out = f"the package or {LOCAL}/", ""
    if f"{trained_on}/{wanted.name}" not in known:
        remedy = f"train them with {_command(wanted, trained_on, out, known.values())}"
        raise WeightsError(f"no weights of {wanted.name} for {trained_on} in {place}: {remedy}")
    return known[f"{trained_on}/{wanted.name}"]


def data_options(dataset: str, path: str = "PATH") -> str:
    """The options that name a data set: one that is neither built in nor torchvision's is at `path`."""
    names = {torchvision_sets.row_name(name): f"torchvision:{name}" for name in torchvision_sets.NAMES}
    known = {**dict(zip(BUILT_IN, BUILT_IN, strict=True)), **names}
    return f"--dataset {known[dataset]}" if dataset in known else f"--dataset folder:{path} --name {dataset}"


def _trained_on(weights_from: str, known: Iterable[WeightsRecord]) -> str:
    """The data set that weights are taken from, which is built in or has some; else WeightsError."""
    datasets = sorted({record.dataset for record in known})
    if weights_from not in (*datasets, *BUILT_IN):
        raise WeightsError(
            f"weights cannot come from {weights_from!r}: there is no directory {weights_from} with a {TABLE}, and "
            f"no weights for a data set of that name; there are some for {', '.join(datasets) or 'none'}"
        )
    return weights_from


def _command(wanted: Entry, dataset: str, out: str, known: Iterable[WeightsRecord]) -> str:
    """The command that trains a model.

    A user's own recipe is known from its other weights, else UnknownModel is raised.
    """
    if not wanted.depth:
        file, _, function = wanted.architecture.partition(":")
        seed = f" --seed {wanted.seed}" if wanted.seed else ""
        asked = f"{file}.py:{function} --recipe {wanted.recipe}{seed}"
        return f"`bench train {asked} {data_options(dataset)}{out}`"
    try:
        return f"`bench train {entry(wanted.name).name} {data_options(dataset)}{out}`"
    except UnknownModel:
        if wanted.recipe not in {record.recipe.get("name") for record in known}:
            raise
        return f"zoo.train.train and your recipe {wanted.recipe}"


def load(name: str, dataset: str = "digits", *, weights_from: str | Path | None = None) -> torch.nn.Module:
    """The trained model, frozen, in eval mode: (n, c, h, w) in [0, 1] → logits. Errors as of `find`."""
    return load_record(find(name, dataset, weights_from))


def load_record(record: WeightsRecord) -> torch.nn.Module:
    """Builds the record's model and loads its weights strictly; WeightsError if the file is not the one."""
    from zoo.models import build

    content = checked(record)
    model = build(
        record.name, channels=record.channels, classes=record.classes, size=record.size, width=record.width
    )
    return _filled(model, record, content)


def load_into(model: torch.nn.Module, record: WeightsRecord) -> torch.nn.Module:
    """As `load_record`, into a model that is built already."""
    return _filled(model, record, checked(record))


def checked(record: WeightsRecord) -> bytes:
    """The content of a record's file; WeightsError if it is missing or another one."""
    try:
        content = record.path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{record.path} cannot be read ({error.strerror}): {_again(record)}") from error
    if hashlib.sha256(content).hexdigest() != record.sha256:
        raise WeightsError(f"{record.path} is damaged (its sha256 is not that in {TABLE}): {_again(record)}")
    return content


def _filled(model: torch.nn.Module, record: WeightsRecord, content: bytes) -> torch.nn.Module:
    import safetensors.torch

    state = safetensors.torch.load(content)
    try:
        model.load_state_dict({key: _full(value) for key, value in state.items()}, strict=True)
    except RuntimeError as error:
        raise WeightsError(f"{record.path} is not of {record.name} as built now: {_again(record)}") from error
    return model.requires_grad_(False).eval()


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all, readable by all, and only when it has reached the disk."""
    with replacing(path) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        os.chmod(file.name, 0o644)


def _full(value: torch.Tensor) -> torch.Tensor:
    return value.float() if value.is_floating_point() else value


def _is_directory(weights_from: str | Path) -> bool:
    path = Path(weights_from)
    if isinstance(weights_from, Path) or os.sep in weights_from:
        if not (path / TABLE).is_file():
            fault = f"holds no {TABLE}" if path.is_dir() else "is no directory"
            raise WeightsError(f"{path} {fault}: give one that `bench train --out` wrote")
        return True
    return (path / TABLE).is_file()


@functools.lru_cache(maxsize=4)  # each model asks for its record several times
def _records(text: str, directory: Path) -> dict[str, WeightsRecord]:
    return {key: _record(row, directory) for key, row in json.loads(text).items()}


def _record(row: dict[str, Any], directory: Path) -> WeightsRecord:
    names = [each.name for each in dataclasses.fields(WeightsRecord) if each.name != "path"]
    path = directory / row["file"]
    if not path.resolve().is_relative_to(directory.resolve()):
        raise ValueError(f"{row['file']} is outside the directory")
    row = {"test_sha256": None, **dict.fromkeys(_OPTIONAL), **row}
    return WeightsRecord(**{name: row[name] for name in names}, path=path)


def _row(record: WeightsRecord) -> dict[str, Any]:
    row = dataclasses.asdict(record)
    del row["path"]
    return {name: value for name, value in row.items() if value is not None or name not in _OPTIONAL}


def _again(record: WeightsRecord) -> str:
    wanted = own(record.name)
    if wanted is not None:
        return f"train it again with {_command(wanted, record.dataset, '', ())}"
    return f"train it again with `bench train {record.name} {data_options(record.dataset)}`"
