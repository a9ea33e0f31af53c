"""``bench compare``: which of several models is better, from stored results."""

from __future__ import annotations

import json
import shlex
from argparse import Namespace
from pathlib import Path
from typing import Any

from bench.attacks import ATTACKS, LIBRARIES
from bench.engine.store import Store, store_at
from bench.errors import UsageError, nearest
from bench.numbers.eps import eps_texts, parse_eps
from bench.numbers.stats import Share
from bench.pages.format import norm_text
from bench.pages.lead import counted
from bench.studies.robustness.comparing import (
    WORST,
    ComparedMeans,
    ComparedPair,
    ComparedResults,
    find_measured,
    means,
    pairs,
    shown_name,
)
from bench.studies.robustness.history import chapters
from bench.studies.shared.options import names
from bench.studies.shared.screen import percent, say
from bench.studies.shared.terminal import Name, print_table
from zoo import entries
from zoo.data import BUILT_IN
from zoo.registry import data_options

# parameters that `bench run` has an option of the same words for
_NUMBERS = ("steps", "alpha", "restarts", "targets", "queries", "eot", "rotation", "translation")
_SWITCHES = ("no random start", "best iterate")


def execute(options: Namespace) -> int:
    """Prints every pair at every ε; measures nothing."""
    if len(options.models) < 2 or len(set(map(shown_name, options.models))) < len(options.models):
        raise UsageError(f"give two different models or more to compare, not {' '.join(options.models)}")
    eps = None if options.eps is None else parse_eps(names(options.eps))
    _check_attack(options.attack)
    store = store_at(Path(options.store))
    measured = find_measured(store, options.models, dataset=options.dataset, attack=options.attack, eps=eps)
    if measured is None:
        _check_dataset(options, store)
        _check_models(options, store)
        raise _missing(options)
    found = pairs(measured)
    if options.json:
        print(json.dumps([_row(measured, pair) for pair in found], allow_nan=False))
    else:
        _print(measured, found)
        _print_means(measured)
        say("next: bench leaderboard   # all models ranked")
    return 0


def _check_attack(attack: str) -> None:
    """Raises ``UsageError`` for a name, with or without library and parameters, that no attack has.

    A user's own attack, FILE:FUNCTION, is always accepted.
    """
    known = dict.fromkeys([WORST, *(name for name, _ in ATTACKS), *(f"{of}:{name}" for name, of in ATTACKS)])
    if attack.partition(" (")[0] not in known and attack.partition(":")[0] in (attack, *LIBRARIES):
        raise UsageError(f"unknown attack {attack!r}; {nearest(attack, known)}")


def _check_dataset(options: Namespace, store: Store) -> None:
    """Raises ``UsageError`` for a data set that is neither in the store nor known."""
    known = dict.fromkeys([*(each.setting.dataset for each in chapters(store)), *BUILT_IN, "cifar10c"])
    if options.dataset is not None and options.dataset not in known:
        raise UsageError(
            f"the store {options.store} has no data set {options.dataset!r}; {nearest(options.dataset, known)}"
        )


def _check_models(options: Namespace, store: Store) -> None:
    """Raises ``UsageError`` for a name that no model of the store or the zoo has."""
    measured = {info.name for chapter in chapters(store) for info in chapter.asked}
    for name in options.models:
        try:
            entries.parsed(name)
        except entries.UnknownModel:
            if name not in measured and ".py:" not in name:
                known = [*sorted(measured), *entries.ENTRIES]
                raise UsageError(f"unknown model {name!r}; {nearest(name, known)}") from None


def _data(dataset: str) -> list[str]:
    """The name of a data set on a command line, from its name in rows."""
    if dataset.partition("-")[0] in ("cifar10c", "corrupted"):
        return ["--dataset", dataset.replace("-", ":")]
    return data_options(dataset).split()


def _missing(options: Namespace) -> UsageError:
    command = ["bench", "run", "--model", ",".join(options.models)]
    command += [] if options.dataset is None else _data(options.dataset)
    command += [] if options.eps is None else ["--eps", options.eps]
    if options.attack != WORST:
        command += _asking(options.attack)
    if options.store != ".symbench":
        command += ["--store", options.store]
    return UsageError(
        f"the store {options.store} has no run that holds all of {', '.join(options.models)} as requested; "
        f"this command adds it: {shlex.join(command)}"
    )


def _asking(attack: str) -> list[str]:
    """Options of ``bench run`` for an attack as tables call it, such as ``pgd (steps 9, no random start)``."""
    name, _, own = attack.removesuffix(")").partition(" (")
    words = ["--attacks", name]
    for each in own.split(", ") if own else []:
        param, _, value = each.rpartition(" ")
        words += [f"--{param}", value] if param in _NUMBERS else []
        words += [f"--{each.replace(' ', '-')}"] if each in _SWITCHES else []
    return words


def _row(measured: ComparedResults, pair: ComparedPair) -> dict[str, Any]:
    setting = measured.setting
    return {
        "a": pair.a,
        "b": pair.b,
        "dataset": setting.dataset,
        "data": setting.data,
        "n": setting.n,
        "attacks": pair.attacks,
        "norm": None if pair.eps is None else setting.norm,
        "eps": pair.eps,
        "seed": setting.seed,
        **_share("accuracy_a", pair.of_a),
        **_share("accuracy_b", pair.of_b),
        "difference": pair.difference.value,
        "difference_lo": pair.difference.lo,
        "difference_hi": pair.difference.hi,
        "only_a": pair.difference.only_a,
        "only_b": pair.difference.only_b,
        "p": pair.p,
        "p_holm": pair.p_holm,
        "verdict": pair.verdict,
    }


def _share(name: str, share: Share) -> dict[str, float]:
    return {name: share.value, f"{name}_lo": share.lo, f"{name}_hi": share.hi}


def _print(measured: ComparedResults, found: tuple[ComparedPair, ...]) -> None:
    setting = measured.setting
    rows = [
        [
            Name(pair.a),
            Name(pair.b),
            _under(pair),
            percent(pair.of_a),
            percent(pair.of_b),
            _points(pair),
            f"{pair.difference.only_a}:{pair.difference.only_b}",
            f"{pair.p_holm:.2g}",
            pair.verdict,
        ]
        for pair in found
    ]
    print_table(
        f"{setting.dataset}: accuracy in % under {', '.join(measured.attacks)} ({norm_text(setting.norm)}, "
        f"{setting.curve}), n = {setting.n}",
        ["A", "B", "under", "A, %", "B, %", "A − B,\npoints", "only A:\nonly B", "p (Holm)", "verdict"],
        rows,
        f"± covers 95 % intervals: Wilson's, and Tango's for the paired difference. p: exact McNemar test, adjusted by "
        f"Holm over all {len(found)} tests shown; a verdict needs p < 0.05.",
        left=("A", "B", "under", "verdict"),
    )


def _print_means(measured: ComparedResults) -> None:
    """The test that the ranks of pages and tables rest on."""
    if not (found := means(measured)):
        return
    rows = [[Name(each.a), Name(each.b), _points(each), f"{each.p_holm:.2g}", each.verdict] for each in found]
    print_table(
        f"in the mean over ε {', '.join(eps_texts([eps for eps in measured.eps if eps is not None]))}",
        ["A", "B", "A − B, points", "p (Holm)", "verdict"],
        rows,
        "The test of the ranks: exact paired sign-flip test on the number of ε that each image survives, adjusted by "
        f"Holm over the {counted(len(found), 'pair')} shown. One test of all ε finds smaller differences than one at "
        "each ε. ±: Agresti and Min's 95 % interval, which may cover 0 where the exact test decides.",
        left=("A", "B", "verdict"),
    )


def _points(pair: ComparedPair | ComparedMeans) -> str:
    value, lo, hi = (100 * each for each in (pair.difference.value, pair.difference.lo, pair.difference.hi))
    return f"{value:+.1f}±{max(hi - value, value - lo):.1f}"


def _under(pair: ComparedPair) -> str:
    if not pair.attacks:
        return "clean"
    return ", ".join(pair.attacks) if pair.eps is None else f"ε {eps_texts([pair.eps])[0]}"
