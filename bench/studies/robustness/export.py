"""Stored cells as files for other programs: a row for each image, or the kept images themselves."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench.attacks import Request
from bench.attacks.outcomes import NOT_ATTACKED
from bench.engine.driver import lane_results
from bench.engine.files import write_atomically
from bench.engine.protocols import released_rules
from bench.engine.store import Store, Stored
from bench.errors import UsageError
from bench.inputs.model_info import ModelInfo
from bench.numbers.eps import grid_text
from bench.studies.released.collect import as_cells
from bench.studies.robustness.collect import curve_of
from bench.studies.robustness.history import Recorded
from bench.studies.robustness.plan import AttackLane, lanes
from bench.studies.robustness.results import Curve, Setting

_PER_IMAGE = ("standing", "attacked", "distance", "predicted", "margin", "loss", "nonfinite", "projected")
_CLEAN = ("standing", "predicted", "margin", "loss", "grad_norm", "nonfinite")


@dataclass(frozen=True, slots=True, eq=False)
class ImageTable:
    """One row an image, model, attack and ε, as the leaderboard counts it; clean results in ``clean_*``.

    ``curve`` and ``grid`` say which row of the leaderboard an image's row belongs to: over its images ``standing`` adds
    up to that row's ``robust``. ``standing_alone`` says whether the image is right under this attack at this ε, without
    the smaller ε; under a minimum-norm attack, without ε, whether the attack found nothing.
    """

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
    """Attacked images that the store keeps (the first 16 of a shard), with their descriptions.

    ``standing``, ``predicted`` and so on are of exactly that image, without the smaller ε.
    """

    arrays: dict[str, np.ndarray]
    unit: str = "images"

    def __len__(self) -> int:
        return len(self.arrays.get("index", ()))

    def write(self, path: Path) -> None:
        """Writes an ``.npz`` file, whole or not at all."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **self.arrays)  # pyright: ignore[reportArgumentType]
        write_atomically(path, buffer.getvalue())


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One shard of one row of the leaderboard.

    Attributes:
        clean, stored: the cells of its images without attack and under it.
        row: columns that distinguish rows of one cell: ``eps``, ``curve`` and ``grid``.
        counted: the shard's part of the curve.
        place: of the ε in it.
    """

    clean: Stored
    stored: Stored
    row: tuple[float | None, str, str]
    counted: Curve
    place: int


def image_table(
    store: Store, chapters: Sequence[Recorded], *, model: str | None, attack: str | None
) -> ImageTable:
    """Every stored image of the chapters, of one model or attack if named."""
    parts = {(part.stored.cell.key, *part.row): part for part in _parts(store, chapters, model, attack)}
    frames = [_counted(part) for part in parts.values()]
    return ImageTable(pd.concat(frames, ignore_index=True) if frames else pd.DataFrame())


def kept_images(
    store: Store, chapters: Sequence[Recorded], *, model: str | None, attack: str | None
) -> KeptImages:
    """The kept images of the chapters; all must be of one shape, so name one data set if there are several."""
    columns: dict[str, list[np.ndarray]] = {}
    parts = _parts(store, chapters, model, attack, images=True)
    cells = {part.stored.cell.key: part for part in parts}
    for part in cells.values():
        attacked, clean = part.stored.result.arrays, part.clean.result.arrays
        place = attacked["image_index"]
        facts = (
            _frame(part.clean, part.stored).iloc[place].drop(columns="attacked")
        )  # true of every kept image
        columns.setdefault("attacked", []).append(attacked["image"])
        columns.setdefault("clean", []).append(clean["image"][place])
        for name in facts.columns:
            values = facts[name].to_numpy()
            text = values.dtype.kind not in "biuf"
            columns.setdefault(name, []).append(values.astype(str) if text else values)
    shapes = {images.shape[1:] for images in columns.get("clean", [])}
    if len(shapes) > 1:
        raise UsageError("the store holds images of several shapes; name one data set with --dataset")
    return KeptImages({name: np.concatenate(parts) for name, parts in columns.items()})


def _parts(
    store: Store, chapters: Sequence[Recorded], model: str | None, attack: str | None, *, images: bool = False
) -> Iterator[_Part]:
    for chapter in chapters:
        for info, requests in chapter.asked.items():
            if model in (None, info.name):
                chosen = [r for r in requests if attack in (None, r.attack, r.label)]
                yield from _measured(store, chapter.setting, info, chosen, images=images)


def _measured(
    store: Store, setting: Setting, info: ModelInfo, requests: Sequence[Request], *, images: bool
) -> Iterator[_Part]:
    released = released_rules(setting.protocol) is not None
    for lane in lanes(setting, [info], requests):
        measured = lane_results(store, lane, images=images or released)
        if measured and released:
            clean, attacked = as_cells(measured[0])
            for request in requests:
                yield from _spread(setting, request, clean, attacked[request])
        elif isinstance(lane, AttackLane) and len(measured) > 1:
            yield from _spread(setting, lane.request, measured[0], measured[1:])


def _spread(setting: Setting, request: Request, clean: Stored, attacked: Sequence[Stored]) -> Iterator[_Part]:
    """The cells of one shard, at every ε they count for."""
    counted = curve_of(setting, request, [clean], [[each] for each in attacked])
    threat = request.spec.threat
    if threat == "spatial":
        yield _Part(clean, attacked[0], (None, "", ""), counted, 0)
        return
    whole = threat == "minimum_norm"
    for i, eps in enumerate(setting.eps[: len(counted.standing)]):
        grid = grid_text(setting.eps[: i + 1])
        curve = "minimum_norm" if whole else setting.curve
        row = (eps, curve, grid if curve == "cumulative" else "")
        yield _Part(clean, attacked[0 if whole else i], row, counted, i)


def _counted(part: _Part) -> pd.DataFrame:
    """A part's images as its row of the leaderboard counts them."""
    frame, curve, i = _frame(part.clean, part.stored), part.counted, part.place
    frame["standing_alone"] = frame["standing"]
    for name in ("standing", "predicted", "nonfinite"):
        frame[name] = getattr(curve, name)[i]
    frame.loc[frame["predicted"] == NOT_ATTACKED, ["margin", "loss"]] = np.nan  # found, but farther than ε
    frame["eps"], frame["curve"], frame["grid"] = part.row
    return frame


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
