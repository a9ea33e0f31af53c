"""Repeats the measurements of a leaderboard's rows and compares: has a model become less robust?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool

from bench.attacks import Request, library_version
from bench.engine.driver import backend, versions
from bench.engine.protocols import SOUND, released_rules
from bench.engine.store import Store, read_runs
from bench.errors import UsageError, data_in_words
from bench.inputs.model_info import FOLDED, ModelInfo
from bench.inputs.sources import Images
from bench.leaderboard.columns import Row
from bench.leaderboard.members import is_worst, request_of
from bench.numbers.eps import parse_eps
from bench.numbers.paired import Difference, independent_difference, paired_difference
from bench.studies.robustness.collect import collect
from bench.studies.robustness.results import Results, Setting


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Reference rows that one evaluation measures again, with the attack each of them is of."""

    setting: Setting
    rows: tuple[tuple[Row, Request], ...]

    @property
    def requests(self) -> tuple[Request, ...]:
        """The attacks, each once."""
        return tuple(dict.fromkeys(request for _, request in self.rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A reference accuracy against the one measured now.

    Attributes:
        row: the reference row.
        attack: ``None`` for the accuracy without attack.
        old: accuracy the row states.
        new: accuracy measured now; ``None`` where cells failed.
        difference: new − old with its 95 % interval, paired where the old images are known one by one.
        status: ``fell`` if the whole interval lies below −tolerance, ``rose`` if above tolerance, ``kept``
            otherwise; ``failed`` where cells failed.
    """

    row: Row
    attack: Request | None
    old: float
    new: float | None
    difference: Difference | None
    status: str


@dataclass(frozen=True, slots=True)
class _Standing:
    """Per-image outcomes of one model in one setting, where known: clean, and by attack and ε with digests."""

    clean: Bool[np.ndarray, " n"] | None
    attacked: Mapping[tuple[Request, float], tuple[Bool[np.ndarray, " n"], str]]


def rows_on(rows: Iterable[Row], data: Images, file: str) -> list[Row]:
    """The rows on these images that are of one attack at one ε.

    Rows of released protocols are not among them: what they say is no robust accuracy.

    Args:
        rows: of a leaderboard.
        data: the images.
        file: name of the leaderboard, for the message.

    Raises:
        UsageError: there are none; the message says which data sets there are.
    """
    attacked = [
        row
        for row in rows
        if row["eps"] is not None and not is_worst(row["attack"]) and released_rules(row["protocol"]) is None
    ]
    found = [row for row in attacked if row["data"] == data.sha256]
    if found:
        return found
    names = sorted({row["dataset"] for row in attacked})
    raise UsageError(f"no row of {file} is of {data_in_words(data.name)}{_of_others(names, data.name)}")


def _of_others(names: Sequence[str], asked: str) -> str:
    """What other images a leaderboard has rows of, and the remedy."""
    if not names:
        return "; it has no attack row at all: give another --against FILE"
    if asked in names:
        return (
            f" with these images; its rows of {asked} are of other images: give the data options of their run"
        )
    remedy = f"add --dataset {names[0]}" if len(names) == 1 else "add --dataset with one of them"
    return f"; it has rows of {', '.join(names)}: {remedy}, with the data options of their run"


def reference_rows(rows: Sequence[Row], model: str) -> list[Row]:
    """The rows of a model, whatever its weights were, among rows as ``rows_on`` gives them.

    Raises:
        UsageError: there are none; the message says of which models there are.
    """
    found = [row for row in rows if row["model"] == model]
    if found:
        return found
    here = sorted({row["model"] for row in rows})
    raise UsageError(
        f"no attack row of {model!r} on these images of {rows[0]['dataset']}; the file has rows on them of "
        f"{', '.join(here)}; --as NAME gives a model from a file the name of its rows"
    )


def one_generation(rows: Sequence[Row], store: Store, chosen: str | None) -> tuple[list[Row], str]:
    """The rows of one generation of a model, and where there are several which one in words.

    Rows hold no date, so the newest generation is that whose run in the store is the last.

    Args:
        rows: as ``reference_rows`` gives them.
        store: where the runs of the generations may lie.
        chosen: first digits of the weights to take; ``None`` for the newest.

    Raises:
        UsageError: ``chosen`` stands for none or several, or the store cannot tell which is the newest.
    """
    model, data = rows[0]["model"], rows[0]["data"]
    weights = sorted({row["weights"] for row in rows})
    found = [each for each in weights if each.startswith(chosen or "")]
    if chosen is None and len(found) > 1:
        last = {
            each: i
            for i, (measured_on, models) in enumerate(read_runs(store, "attacks", _measured))
            if measured_on == data
            for each in models
        }
        found = [max(weights, key=last.__getitem__)] if set(weights) <= set(last) else found
    if len(found) != 1:
        which = (
            "several weights" if chosen is None else f"{len(found) or 'no'} weights beginning with {chosen!r}"
        )
        why = ", and the store has no run of each to tell the newest" if chosen is None else ""
        raise UsageError(
            f"the file has rows of {which} of {model!r}{why}; give --generation with the first digits of one: "
            + ", ".join(each[:16] for each in weights)
        )
    (taken,) = found
    others = ", ".join(each[:8] for each in weights if each != taken)
    how = "the newest" if chosen is None else "as asked"
    said = f"{model}: compared with weights {taken[:8]}, {how}; the file has rows of {others} too"
    return [row for row in rows if row["weights"] == taken], said if others else ""


def _measured(run: Mapping[str, Any]) -> tuple[str, list[str]]:
    return run["setting"]["data"], [each["weights"] for each in run["models"]]


def grouped(rows: Sequence[Row], data: Images, device: str) -> tuple[RowGroup, ...]:
    """Reference rows in as few evaluations as measure them all with the same n, norm, grid, curve, seed and batch.

    A cumulative row belongs to the longest grid of its attack that begins with its own, so that every curve
    is run through once.

    Raises:
        UsageError: a row of an attack, a parameter or a seed that this version does not know.
    """
    whole: dict[tuple[Any, ...], set[tuple[float, ...]]] = {}
    placed = []
    for row in rows:
        request = request_of(row)
        key = (row["n"], row["norm"], row["curve"], row["seeds"], row["batch"], request)
        grid = parse_eps(row["grid"].split(";")) if row["grid"] else (row["eps"],)
        whole.setdefault(key, set()).add(grid)
        placed.append((key, grid, row, request))
    found: dict[Setting, list[tuple[Row, Request]]] = {}
    for key, grid, row, request in placed:
        setting = _setting(key, _grid(row, grid, whole[key]), data, device)
        found.setdefault(setting, []).append((row, request))
    return tuple(RowGroup(setting, tuple(pairs)) for setting, pairs in found.items())


def _grid(row: Row, grid: tuple[float, ...], known: set[tuple[float, ...]]) -> tuple[float, ...]:
    if row["curve"] != "cumulative":
        return tuple(sorted({eps for each in known for eps in each}))
    return max((each for each in known if each[: len(grid)] == grid), key=lambda each: (len(each), each))


def _setting(key: tuple[Any, ...], eps: tuple[float, ...], data: Images, device: str) -> Setting:
    n, norm, curve, seeds, batch, request = key
    if not seeds.isdecimal():
        raise UsageError(
            f"a row of {request.label} has seeds {seeds!r}; only rows of one seed can be checked"
        )
    return Setting(
        dataset=data.name,
        data=data.sha256,
        n=n,
        norm=norm,
        eps=eps,
        curve="independent" if curve == "independent" else "cumulative",
        seed=int(seeds),
        protocol=SOUND.label,
        backend=backend(device),
        batch=batch,
    )


def check(
    measured: Sequence[tuple[RowGroup, Sequence[Results]]], info: ModelInfo, store: Store, tolerance: float
) -> list[Checked]:
    """Compares reference rows with what was measured for them.

    Args:
        measured: groups of rows with the results of their evaluation.
        info: the model as it is now.
        store: where per-image results of the old weights may lie.
        tolerance: how much accuracy may fall, as a fraction.

    Returns:
        An entry for each row, before it one for the clean accuracy of its weights where that is new.
    """
    checked, seen = [], set()
    for group, results in measured:
        found = _standing(results, info.weights)
        stored: dict[tuple[str, str, str], _Standing] = {}
        for row, request in group.rows:
            source = (row["weights"], row["protocol"], row["backend"])
            if source not in stored:
                stored[source] = _stored(group, row, store)
            before, at = stored[source], (request, row["eps"])
            if (row["weights"], row["n"]) not in seen:
                seen.add((row["weights"], row["n"]))
                old = before.clean if _count(before.clean) == row["clean_right"] else None
                checked.append(_checked(row, None, found.clean, old, tolerance))
            was, digest = before.attacked.get(at, (None, ""))
            now, _ = found.attacked.get(at, (None, ""))
            old = was if digest == row["digest"] else None
            checked.append(_checked(row, request, now, old, tolerance))
    return checked


def _count(outcomes: Bool[np.ndarray, " n"] | None) -> int | None:
    return None if outcomes is None else int(outcomes.sum())


def _stored(group: RowGroup, row: Row, store: Store) -> _Standing:
    """The stored results of a row's own weights, from that time."""
    setting = replace(group.setting, protocol=row["protocol"], backend=row["backend"])
    info = ModelInfo(name=row["model"], weights=row["weights"], trained_on="", parameters=0, origin="")
    asked = [(info, group.requests)]
    return _standing(collect(store, setting, asked, classes=(), versions={}, command=""), info.weights)


def _standing(results: Sequence[Results], weights: str) -> _Standing:
    clean, attacked = None, {}
    for each in results:
        for model in each.models:
            if model.info.weights == weights:
                clean = model.clean.correct
                for curve in model.curves:
                    for i, eps in enumerate(each.setting.eps):
                        attacked[curve.request, eps] = (curve.standing[i], curve.digest[i])
    return _Standing(clean, attacked)


def _checked(
    row: Row, attack: Request | None, new: np.ndarray | None, old: np.ndarray | None, tolerance: float
) -> Checked:
    k, n = row["clean_right"] if attack is None else row["robust"], row["n"]
    if new is None:
        return Checked(row=row, attack=attack, old=k / n, new=None, difference=None, status="failed")
    if old is not None:
        difference = paired_difference(new, old)
    else:
        difference = independent_difference(int(new.sum()), len(new), k, n)
    status = "fell" if difference.hi < -tolerance else "rose" if difference.lo > tolerance else "kept"
    return Checked(
        row=row, attack=attack, old=k / n, new=float(new.mean()), difference=difference, status=status
    )


def changed_since(rows: Iterable[Row], device: str) -> list[str]:
    """The versions that differ from those of the rows, each as ``torch 2.10.0 then, 2.15.0 now``."""
    here = versions()
    notes: dict[str, None] = {}
    for row in rows:
        there = dict(part.split("=", 1) for part in row["versions"].split(";") if part)
        pairs = [(name, was, here[name]) for name, was in there.items() if name in here]
        library, _, version = row["library"].partition("==")
        pairs += [(library, version, library_version(library, row["attack"]).partition("==")[2])]
        pairs += [("symbench", row["symbench"], here["symbench"])]
        pairs += [("backend", row["backend"].removesuffix(FOLDED), backend(device))]
        pairs += [("protocol", row["protocol"], SOUND.label)]
        notes |= dict.fromkeys(f"{name} {was} then, {now} now" for name, was, now in pairs if was != now)
    return list(notes)
