"""Stored cells as files for other programs: a row an image, or the kept images themselves."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench.attacks import Request
from bench.errors import UsageError
from bench.history import Chapter
from bench.plan import lanes
from bench.protocols import released_rules
from bench.released.collect import as_cells
from bench.results import ModelInfo, Setting
from bench.run import lane_results
from bench.store import Store, Stored, write_atomically

_PER_IMAGE = ("standing", "attacked", "distance", "predicted", "margin", "loss", "nonfinite", "projected")
_CLEAN = ("standing", "predicted", "margin", "loss", "grad_norm", "nonfinite")


@dataclass(frozen=True, slots=True, eq=False)
class ImageTable:
    """One row an image, model, attack and ε; clean results in columns ``clean_*``."""

    frame: pd.DataFrame
    unit: str = "rows"

    def __len__(self) -> int:
        return len(self.frame)

    def write(self, path: Path) -> None:
        """Writes ``.csv`` or ``.parquet`` (which needs pyarrow), whole or not at all."""
        buffer = io.BytesIO()
        if path.suffix == ".csv":
            self.frame.to_csv(buffer, index=False)
        else:
            try:
                self.frame.to_parquet(buffer, index=False, engine="pyarrow")
            except ImportError as fault:
                raise UsageError("parquet needs pyarrow; pip install 'symbench[parquet]'") from fault
        write_atomically(path, buffer.getvalue())


@dataclass(frozen=True, slots=True, eq=False)
class KeptImages:
    """Attacked images that the store keeps (the first 16 of a shard), with what they are of."""

    arrays: dict[str, np.ndarray]
    unit: str = "images"

    def __len__(self) -> int:
        return len(self.arrays.get("index", ()))

    def write(self, path: Path) -> None:
        """Writes an ``.npz`` file, whole or not at all."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **self.arrays)  # pyright: ignore[reportArgumentType]
        write_atomically(path, buffer.getvalue())


def image_table(
    store: Store, chapters: Sequence[Chapter], *, model: str | None, attack: str | None
) -> ImageTable:
    """Every stored image of the chapters, of one model or attack if named."""
    frames = [_frame(clean, cell) for clean, cell in _cells(store, chapters, model, attack)]
    return ImageTable(pd.concat(frames, ignore_index=True) if frames else pd.DataFrame())


def kept_images(
    store: Store, chapters: Sequence[Chapter], *, model: str | None, attack: str | None
) -> KeptImages:
    """The kept images of the chapters; all must be of one shape, so name one data set if there are several."""
    columns: dict[str, list[np.ndarray]] = {}
    for clean, stored in _cells(store, chapters, model, attack):
        place = stored.result.arrays["image_index"]
        facts = _frame(clean, stored).iloc[place].drop(columns="attacked")  # true of every kept image
        columns.setdefault("attacked", []).append(stored.result.arrays["image"])
        columns.setdefault("clean", []).append(clean.result.arrays["image"][place])
        for name in facts.columns:
            values = facts[name].to_numpy()
            text = values.dtype.kind not in "biuf"
            columns.setdefault(name, []).append(values.astype(str) if text else values)
    shapes = {images.shape[1:] for images in columns.get("clean", [])}
    if len(shapes) > 1:
        raise UsageError("the store holds images of several shapes; name one data set with --dataset")
    return KeptImages({name: np.concatenate(parts) for name, parts in columns.items()})


def _cells(
    store: Store, chapters: Sequence[Chapter], model: str | None, attack: str | None
) -> Iterator[tuple[Stored, Stored]]:
    seen: set[str] = set()
    for chapter in chapters:
        for info, requests in chapter.asked.items():
            if model not in (None, info.name):
                continue
            chosen = [r for r in requests if attack in (None, r.attack, r.label)]
            for clean, stored in _measured(store, chapter.setting, info, chosen):
                if stored.cell.key not in seen:
                    seen.add(stored.cell.key)
                    yield clean, stored


def _measured(
    store: Store, setting: Setting, info: ModelInfo, requests: Sequence[Request]
) -> Iterator[tuple[Stored, Stored]]:
    """Attack cells, each with the clean one of its images."""
    for lane in lanes(setting, [info], requests):
        measured = lane_results(store, lane)
        if measured and released_rules(setting.protocol) is not None:
            clean, attacked = as_cells(measured[0])
            yield from ((clean, stored) for request in requests for stored in attacked[request])
        yield from ((measured[0], stored) for stored in measured[1:])


def _frame(clean: Stored, stored: Stored) -> pd.DataFrame:
    cell = stored.cell
    facts = {
        "model": cell.model,
        "weights": cell.weights,
        "dataset": cell.dataset,
        "data": cell.data,
        "attack": cell.attack,
        "library": cell.library,
        "params": ";".join(f"{name}={value}" for name, value in cell.params),
        "norm": cell.norm,
        "eps": cell.eps,
        "seed": cell.seed,
        "protocol": cell.protocol,
        "cell": cell.key,
    }
    columns = {
        "index": np.arange(cell.first, cell.first + cell.count),
        "label": clean.result.arrays["label"],
        **{f"clean_{name}": clean.result.arrays[name] for name in _CLEAN},
        **{name: stored.result.arrays[name] for name in _PER_IMAGE},
    }
    return pd.DataFrame(columns).assign(**facts)
