"""The trade-off as rows for ``--json`` and as tables of the terminal."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.studies.shared.screen import percent
from bench.studies.shared.terminal import Name, print_table
from bench.studies.tradeoff.results import (
    CLEAN,
    FRONT,
    NEARBY,
    SPATIAL,
    Axis,
    ModelGroup,
    Tradeoff,
)
from bench.studies.tradeoff.tested import TestedPair
from bench.studies.tradeoff.verdicts import JudgedTradeoff, judge

CAPTION = (
    "95 % intervals over images. Random rotations are not the worst case, and attacks give upper bounds on "
    "robust accuracy. "
    "* on the Pareto front of ±180° and the last column."
)


def as_json(found: Tradeoff) -> list[dict[str, Any]]:
    """Every model with all its accuracies, then the claims; what was not measured is null."""
    numbers = [_numbers(found, group) for group in found.groups]
    return [*numbers, *(_claim(judged) for judged in judge(found))]


def _axes(found: Tradeoff) -> list[tuple[str, Axis]]:
    """Every accuracy by its key in ``--json``."""
    return [
        ("clean", CLEAN),
        *((f"rotation_{at:g}", Axis("rotation", at)) for at in found.rotations),
        *((f"pgd_{eps:.6g}", Axis("pgd", eps)) for eps in found.setting.eps),
        ("front", FRONT),
    ]


def _numbers(found: Tradeoff, group: ModelGroup) -> dict[str, Any]:
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
        "front_attack": found.front_name,
        "front_eps": found.setting.eps[-1],
        "on_front": group in found.front(),
        "on_front_nearby": group in found.front(NEARBY),
        "accuracy": accuracies,
    }


def _claim(judged: JudgedTradeoff) -> dict[str, Any]:
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


def _test(test: TestedPair) -> dict[str, Any]:
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


def print_numbers(found: Tradeoff) -> None:
    """Prints every model with its accuracies."""
    alone = found.attack == "pgd"
    adversarial = (FRONT,) if alone else (found.largest, FRONT)
    axes = (CLEAN, NEARBY, SPATIAL, *adversarial)
    front = found.front()
    rows = []
    for group in found.groups:
        shares = [found.share(group, axis) for axis in axes]
        rows.append(
            [
                Name(group.name + (" *" if group in front else "")),
                str(len(group.replicas)),
                *("–" if share is None else percent(share) for share in shares),
            ]
        )
    heads = [found.words(axis).removeprefix("accuracy under ").replace(" ", "\n") for axis in axes]
    print_table(
        f"{found.setting.dataset}: accuracy in %, n = {found.setting.n}",
        ["model", "seeds", *heads],
        rows,
        CAPTION + ("" if alone else " Under AutoAttack and PGD an image stands if neither breaks it."),
        left=("model",),
    )


def print_claims(judged: tuple[JudgedTradeoff, ...]) -> None:
    """Prints every claim with its verdicts."""
    table = Table(title="Claims", caption="The page has the tests, and what each verdict requires.")
    architectures = [outcome.architecture for outcome in judged[0].outcomes]
    for column in ("claim", *architectures, "all in all"):
        table.add_column(escape(column), overflow="fold")
    for each in judged:
        verdicts = [outcome.verdict for outcome in each.outcomes]
        table.add_row(escape(each.claim.title), *verdicts, each.verdict)
    _print(table)


def _print(table: Table) -> None:
    Console(width=None if sys.stdout.isatty() else 160).print(table)
