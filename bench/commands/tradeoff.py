"""``bench tradeoff``: what robustness to rotations costs in adversarial robustness, and the other way round."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.commands.places import check_directory
from bench.commands.running import LONG, exit_code, rows_only, running, show_plan
from bench.engine.store import DirectoryStore, Store
from bench.studies.shared.ask import Ask
from bench.studies.shared.options import check_numbers, data_ask, names, shown_data, told
from bench.studies.shared.screen import percent, say
from bench.studies.spatial.setting import parse_levels
from bench.studies.tradeoff.collect import collect_tradeoff, tradeoffs
from bench.studies.tradeoff.evaluation import (
    DEFAULT_MODELS,
    Sizes,
    TradeoffPlan,
    plan_tradeoff,
    run_tradeoff,
    tradeoff_seconds,
)
from bench.studies.tradeoff.results import CLEAN, FRONT, FRONT_NAMES, NEARBY, SPATIAL, Axis, Group, Tradeoff
from bench.studies.tradeoff.tested import Tested
from bench.studies.tradeoff.verdicts import Judged, judge

CAPTION = (
    "95 % intervals over images. Random rotations are no worst case, and attacks give upper bounds on robust accuracy. "
    "* on the Pareto front of ±180° and the last column."
)


def execute(options: Namespace) -> int:
    """Measures, then prints numbers and claims and draws the page; 1 if cells failed."""
    check_numbers(options)
    sizes = _sizes(options)
    pages = Path(options.reports)
    if not options.dry_run:
        check_directory(pages)
    workers = options.workers or os.cpu_count() or 1
    with rows_only():
        planned = plan_tradeoff(_ask(options), sizes, options=shown_data(options))
    for name, command in planned.page["missing"].items():
        say(f"{name} has no weights for these images and is left out; {told(command, options)}")
    if options.dry_run:
        return show_plan(options, planned.lanes, partial(tradeoff_seconds, planned), workers)
    store = DirectoryStore(Path(options.store))
    _say_how_long(planned, store, workers)
    with running(planned.loaded, options.device, workers) as (executor, progress):
        found, failures = run_tradeoff(planned, store, executor, progress)
    page = _draw(found, pages)
    if options.json:
        print(json.dumps(as_json(found), allow_nan=False))
    else:
        _print_numbers(found)
        _print_claims(judge(found))
    say(f"page: {page}")
    return exit_code(failures)


def write_page(store: Store, dataset: str, directory: Path) -> Path | None:
    """Draws the page of the newest run on a data set; ``None`` if there is none."""
    run = tradeoffs(store, dataset).get(dataset)
    return _draw(collect_tradeoff(store, run), directory) if run else None


def as_json(found: Tradeoff) -> list[dict[str, Any]]:
    """Every model with all its accuracies, then the claims; what was not measured is null."""
    numbers = [_numbers(found, group) for group in found.groups]
    return [*numbers, *(_claim(judged) for judged in judge(found))]


def _draw(found: Tradeoff, directory: Path) -> Path:
    from bench.studies.tradeoff.page import write_tradeoff_page

    return write_tradeoff_page(found, directory)


def _sizes(options: Namespace) -> Sizes:
    return Sizes(
        rotations=parse_levels(options.rotate, "--rotate"),
        draws=options.draws,
        interpolation=options.interpolation,
        fill=options.fill,
        attack=options.front,
        front_n=options.front_n,
        steps=options.steps,
        seeds=options.seeds,
    )


def _ask(options: Namespace) -> Ask:
    asked = [name for value in options.models or ["default"] for name in names(value)]
    models = [each for name in asked for each in (DEFAULT_MODELS if name == "default" else [name])]
    return replace(
        data_ask(options),
        models=tuple(dict.fromkeys(models)),
        weights=options.weights,
        eps=None if options.eps is None else names(options.eps),
        n=options.n,
    )


def _axes(found: Tradeoff) -> list[tuple[str, Axis]]:
    """Every accuracy by its key in ``--json``."""
    return [
        ("clean", CLEAN),
        *((f"rotation_{at:g}", Axis("rotation", at)) for at in found.rotations),
        *((f"pgd_{eps:.6g}", Axis("pgd", eps)) for eps in found.setting.eps),
        ("front", FRONT),
    ]


def _numbers(found: Tradeoff, group: Group) -> dict[str, Any]:
    accuracies = {}
    for key, axis in _axes(found):
        share, spread = found.share(group, axis), found.spread(group, axis)
        accuracies[key] = share and {
            "value": share.value,
            "lo": share.lo,
            "hi": share.hi,
            "n": share.n,
            "sd_over_seeds": spread and spread.sd,
            "by_seed": [found.one(replica, axis) for replica in group.replicas],
        }
    first = group.replicas[0]
    return {
        "kind": "model",
        "model": group.name,
        "recipe": group.recipe or None,
        "seeds": list(group.seeds),
        "weights": [replica.info.weights for replica in group.replicas],
        "training_images": first.images,
        "epochs": first.epochs,
        "front_attack": FRONT_NAMES[found.attack],
        "front_eps": found.setting.eps[-1],
        "on_front": group in found.front(),
        "on_front_nearby": group in found.front(NEARBY),
        "accuracy": accuracies,
    }


def _claim(judged: Judged) -> dict[str, Any]:
    claim = judged.claim
    return {
        "kind": "claim",
        "id": claim.id,
        "claim": claim.title,
        "tested": claim.tests,
        "verdict": judged.verdict,
        "architectures": {
            outcome.architecture: {
                "verdict": outcome.verdict,
                "sentence": outcome.sentence,
                "why": outcome.why,
                "tests": [_test(test) for test in outcome.tested],
            }
            for outcome in judged.outcomes
        },
    }


def _test(test: Tested) -> dict[str, Any]:
    part = test.part
    return {
        "a": test.a,
        "b": test.b,
        "of": test.axis.of,
        "at": test.axis.at,
        "given_clean": test.given_clean,
        "difference": part and part.difference.value,
        "lo": part and part.difference.lo,
        "hi": part and part.difference.hi,
        "n": part and part.n,
        "p": part and test.p,
        "seeds": list(test.seeds),
        "by_seed": list(test.by_seed),
        "verdict": test.verdict,
        "untested": test.reason or None,
    }


def _print_numbers(found: Tradeoff) -> None:
    alone = found.attack == "pgd"
    adversarial = (FRONT,) if alone else (found.largest, FRONT)
    axes = (CLEAN, NEARBY, SPATIAL, *adversarial)
    table = Table(
        title=f"{escape(found.setting.dataset)}: accuracy in %, n = {found.setting.n}",
        caption=CAPTION
        + ("" if alone else " Under AutoAttack and PGD an image stands if neither breaks it."),
    )
    table.add_column("model", overflow="fold")
    table.add_column("seeds", justify="right")
    for axis in axes:
        table.add_column(found.words(axis).removeprefix("accuracy under "), justify="right", overflow="fold")
    front = found.front()
    for group in found.groups:
        shares = [found.share(group, axis) for axis in axes]
        table.add_row(
            escape(group.name) + (" *" if group in front else ""),
            str(len(group.replicas)),
            *("–" if share is None else percent(share) for share in shares),
        )
    _print(table)


def _print_claims(judged: tuple[Judged, ...]) -> None:
    table = Table(title="Claims", caption="The page has the tests, and what each verdict takes.")
    architectures = [outcome.architecture for outcome in judged[0].outcomes]
    for column in ("claim", *architectures, "all in all"):
        table.add_column(escape(column), overflow="fold")
    for each in judged:
        verdicts = [outcome.verdict for outcome in each.outcomes]
        table.add_row(escape(each.claim.title), *verdicts, each.verdict)
    _print(table)


def _print(table: Table) -> None:
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _say_how_long(planned: TradeoffPlan, store: Store, workers: int) -> None:
    with rows_only():
        seconds = tradeoff_seconds(planned, store) / workers
    if seconds > LONG:
        say(
            f"this will take at most about {seconds / 60:.0f} minutes; stop it at any time, it goes on from there"
        )
