"""Stored cells joined into results: the only way from the store to tables, figures and pages."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.attacks import Request
from bench.attacks.outcomes import NOT_ATTACKED
from bench.attacks.request import BUDGET
from bench.engine.driver import lane_results
from bench.engine.protocols import released_rules
from bench.engine.splitting import smallest_part
from bench.engine.store import Store, Stored
from bench.inputs.model_info import ModelInfo
from bench.studies.released.collect import as_cells
from bench.studies.robustness.plan import clean_cells, lanes, released_cell
from bench.studies.robustness.results import Clean, Curve, ModelResult, Results, Sample, Setting

SAMPLES = 4


@dataclass(frozen=True, slots=True, eq=False)
class _Broken:
    """A broken image: its cells, its row among the kept images, its place in the shard."""

    request: Request
    before: Stored
    after: Stored
    row: int
    place: int

    @property
    def index(self) -> int:
        return self.before.cell.first + self.place

    @property
    def label(self) -> int:
        return int(self.before.result.arrays["label"][self.place])


def collect(
    store: Store,
    setting: Setting,
    asked: Sequence[tuple[ModelInfo, Sequence[Request]]],
    *,
    classes: tuple[str, ...],
    versions: dict[str, str],
    command: str,
    failed: Sequence[str] = (),
) -> tuple[Results, ...]:
    """The stored results of an evaluation.

    Args:
        store: where the cells are.
        setting: what all models share.
        asked: each model with its attacks.
        classes, versions, command, failed: as in ``Results``.

    Returns:
        First the results over the whole ε grid; then, for curves that a failed cell cut short, results
        over the smaller ε that were measured, so that nothing measured is left out of the leaderboard.
    """
    by_length: dict[int, list[ModelResult]] = {len(setting.eps): []}
    for info, requests in asked:
        for length, result in _model_results(store, setting, info, requests).items():
            by_length.setdefault(length, []).append(result)
    return tuple(
        Results(
            setting=replace(setting, eps=setting.eps[:length]),
            classes=classes,
            models=tuple(models),
            versions=versions,
            command=command,
            failed=tuple(failed),
        )
        for length, models in sorted(by_length.items(), reverse=True)
    )


def _model_results(
    store: Store, setting: Setting, info: ModelInfo, requests: Sequence[Request]
) -> dict[int, ModelResult]:
    if released_rules(setting.protocol) is not None:
        return _released_results(store, setting, info)
    shards = [store.get(cell.key, images=False) for cell in clean_cells(setting, info)]
    if not all(shards):
        return {}
    clean_shards = [shard for shard in shards if shard is not None]
    found: dict[int, list[tuple[Curve, list[_Broken]]]] = {}
    spatial: list[Curve] = []
    for request in requests:
        columns = [lane_results(store, lane)[1:] for lane in lanes(setting, [info], [request])]
        length = min(len(column) for column in columns)
        if not length:
            continue
        rows = [[column[i] for column in columns] for i in range(length)]
        curve = curve_of(setting, request, clean_shards, rows)
        if request.spec.threat == "spatial":
            spatial.append(curve)
        elif request.spec.threat == "minimum_norm":
            found.setdefault(len(setting.eps), []).append((curve, []))
        else:
            found.setdefault(length, []).append((curve, _broken(request, clean_shards, rows)))
    if spatial:
        found.setdefault(len(setting.eps), [])
    clean = _clean(clean_shards)
    return {
        length: ModelResult(
            info=info,
            clean=clean,
            curves=tuple(curve for curve, _ in pairs),
            samples=_samples(store, [each for _, broken in pairs for each in broken]),
            spatial=tuple(spatial) if length == len(setting.eps) else (),
        )
        for length, pairs in found.items()
    }


def _released_results(store: Store, setting: Setting, info: ModelInfo) -> dict[int, ModelResult]:
    stored = store.get(released_cell(setting, info).key)
    if stored is None:
        return {}
    clean, attacked = as_cells(stored)
    rows = {request: [[part] for part in parts] for request, parts in attacked.items()}
    broken = [each for request in rows for each in _broken(request, [clean], rows[request])]
    result = ModelResult(
        info=info,
        clean=_clean([clean]),
        curves=tuple(curve_of(setting, request, [clean], rows[request]) for request in rows),
        samples=_samples(store, broken),
    )
    return {len(setting.eps): result}


def _joined(shards: Sequence[Stored], name: str) -> np.ndarray:
    return np.concatenate([shard.result.arrays[name] for shard in shards])


def _silent(shards: Sequence[Stored]) -> np.ndarray:
    """Stores of the first version did not look at iterates."""
    return np.concatenate([s.result.arrays.get("silent", np.zeros(s.cell.count, dtype=bool)) for s in shards])


def _digest(shards: Sequence[Stored]) -> str:
    return hashlib.sha256("".join(shard.result.digest for shard in shards).encode()).hexdigest()


def _clean(shards: Sequence[Stored]) -> Clean:
    return Clean(
        label=_joined(shards, "label"),
        predicted=_joined(shards, "predicted"),
        correct=_joined(shards, "standing"),
        margin=_joined(shards, "margin"),
        loss=_joined(shards, "loss"),
        grad_norm=_joined(shards, "grad_norm"),
        nonfinite=_joined(shards, "nonfinite"),
        seconds=sum(shard.result.seconds for shard in shards),
        digest=_digest(shards),
        split=smallest_part(shard.result for shard in shards),
    )


def curve_of(
    setting: Setting, request: Request, clean: Sequence[Stored], rows: Sequence[Sequence[Stored]]
) -> Curve:
    """The curve of an attack, as the leaderboard counts it.

    Args:
        setting: says which images a curve counts as broken.
        request: the attack.
        clean: clean cells of some shards.
        rows: the attack's cells of the same shards: for every ε measured, or one row without ε.
    """
    if request.spec.threat == "minimum_norm":
        return _whole_curve(setting, request, clean, rows[0])

    def grid(name: str) -> np.ndarray:
        return np.stack([_joined(shards, name) for shards in rows])

    standing = grid("standing")
    if released_rules(setting.protocol) is None:
        standing &= _joined(clean, "standing")
    if setting.curve == "cumulative":
        standing = np.logical_and.accumulate(standing, axis=0)
    return Curve(
        request=request,
        library=rows[0][0].cell.library,
        standing=standing,
        attacked=grid("attacked"),
        distance=grid("distance"),
        predicted=grid("predicted"),
        nonfinite=grid("nonfinite"),
        projected=grid("projected"),
        silent=np.stack([_silent(shards) for shards in rows]),
        gradients=tuple(sum(s.result.gradients for s in shards) for shards in rows),
        seconds=tuple(sum(s.result.seconds for s in shards) for shards in rows),
        digest=tuple(_digest(shards) for shards in rows),
        **_traces(rows, cumulative=setting.curve == "cumulative"),
        split=smallest_part(shard.result for shards in rows for shard in shards),
    )


def _traces(rows: Sequence[Sequence[Stored]], *, cumulative: bool) -> dict[str, np.ndarray]:
    """The curves over passes, if all cells have one; a break at a smaller ε counts here with the same passes."""
    shards = [shard for row in rows for shard in row]
    if not all("trace" in shard.result.arrays for shard in shards):
        return {}
    trace = np.stack([_joined(row, "trace") for row in rows])
    if cumulative:
        trace = np.minimum.accumulate(trace, axis=0)
    points = np.arange(1, trace.shape[2] + 1) / trace.shape[2]
    return {"trace_passes": int(shards[0].cell.param(BUDGET) or 0) * points, "trace": trace}


def _whole_curve(
    setting: Setting, request: Request, clean: Sequence[Stored], shards: Sequence[Stored]
) -> Curve:
    """The curve of a minimum-norm attack's one run: images with a result within ε are broken."""
    length = len(setting.eps)

    def rows(name: str) -> np.ndarray:
        return np.tile(_joined(shards, name), (length, 1))

    distance = rows("distance")
    broken = distance <= np.array(setting.eps)[:, None]  # NaN, nothing found, is not
    return Curve(
        request=request,
        library=shards[0].cell.library,
        standing=_joined(clean, "standing") & ~broken,
        attacked=rows("attacked"),
        distance=distance,
        predicted=np.where(broken, rows("predicted"), NOT_ATTACKED),
        nonfinite=rows("nonfinite") & broken,
        projected=rows("projected"),
        silent=np.zeros_like(broken),
        gradients=(sum(shard.result.gradients for shard in shards),) * length,
        seconds=(sum(shard.result.seconds for shard in shards),) * length,
        digest=(_digest(shards),) * length,
        **{
            name: np.tile(value, (length, 1, 1)) if name == "trace" else value
            for name, value in _traces([shards], cumulative=False).items()
        },
        split=smallest_part(shard.result for shard in shards),
    )


def _broken(request: Request, clean: Sequence[Stored], rows: Sequence[Sequence[Stored]]) -> list[_Broken]:
    """Broken images among those the store keeps, each at the smallest ε that broke it, in the set's order."""
    found: dict[int, _Broken] = {}
    for shards in rows:
        for before, after in zip(clean, shards, strict=True):
            for row, place in enumerate(after.result.arrays["image_index"]):
                if not after.result.arrays["standing"][place]:
                    each = _Broken(request, before, after, row, int(place))
                    found.setdefault(each.index, each)
    return [found[index] for index in sorted(found)]


def _samples(store: Store, broken: Sequence[_Broken]) -> tuple[Sample, ...]:
    """A few broken images of different places and of as many true classes as possible."""
    chosen: list[_Broken] = []
    for fresh_label in (True, False):
        for each in broken:
            if (
                len(chosen) < SAMPLES
                and each.index not in {other.index for other in chosen}
                and (not fresh_label or each.label not in {other.label for other in chosen})
            ):
                chosen.append(each)
    samples = [_sample(store, each) for each in chosen]
    return tuple(sample for sample in samples if sample is not None)


def _sample(store: Store, broken: _Broken) -> Sample | None:
    """A broken image with its pixels; ``None`` if these are damaged, which the next run mends."""
    place, arrays = broken.place, broken.after.result.arrays
    clean, attacked = _images(store, broken.before), _images(store, broken.after)
    if clean is None or attacked is None:
        return None
    return Sample(
        index=broken.index,
        label=broken.label,
        clean_predicted=int(broken.before.result.arrays["predicted"][place]),
        predicted=int(arrays["predicted"][place]),
        eps=float(broken.after.cell.eps or 0),
        attack=broken.request.label,
        distance=float(arrays["distance"][place]),
        clean=clean[place],
        attacked=attacked[broken.row],
    )


def _images(store: Store, part: Stored) -> np.ndarray | None:
    if "image" in part.result.arrays:
        return part.result.arrays["image"]
    whole = store.get(part.cell.key)
    return None if whole is None else whole.result.arrays["image"]
