"""``bench tradeoff``: the cost of robustness to rotations in adversarial robustness, and the reverse."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.engine.driver import Failure
from bench.engine.lane import Lane
from bench.engine.store import Store
from bench.engine.study import Batch, Study
from bench.studies.shared.ask import Ask
from bench.studies.shared.options import command_for_terminal, data_ask, names, shown_data
from bench.studies.spatial.setting import parse_levels
from bench.studies.tradeoff.arguments import add_options
from bench.studies.tradeoff.collect import collect_tradeoff, tradeoffs
from bench.studies.tradeoff.evaluation import (
    DEFAULT_MODELS,
    TradeoffPlan,
    TradeoffSizes,
    plan_tradeoff,
    tradeoff_seconds,
)
from bench.studies.tradeoff.results import Tradeoff


class TradeoffStudy(Study[TradeoffPlan, Tradeoff]):
    """Robustness to rotations against adversarial robustness."""

    name = "tradeoff"

    def options(self, parser: ArgumentParser) -> None:
        add_options(parser)

    def prepare(self, options: Namespace) -> TradeoffPlan:
        return plan_tradeoff(_ask(options), _sizes(options), options=shown_data(options))

    def notes(self, ready: TradeoffPlan, options: Namespace) -> Iterable[str]:
        for name, command in ready.page["missing"].items():
            yield f"{name} has no weights for these images and is left out; {command_for_terminal(command, options)}"

    def lanes(self, ready: TradeoffPlan) -> Sequence[Lane]:
        return ready.lanes

    def seconds(self, ready: TradeoffPlan, store: Store) -> float:
        return tradeoff_seconds(ready, store)

    def records(self, ready: TradeoffPlan) -> Sequence[dict[str, Any]]:
        return [ready.manifest()]

    def batches(self, ready: TradeoffPlan, store: Store) -> Iterator[Batch]:
        yield Batch(planned=ready.parts, lanes=ready.lanes)

    def collect(self, ready: TradeoffPlan, store: Store, failures: Sequence[Failure]) -> Tradeoff:
        return collect_tradeoff(store, ready.manifest(), [str(failure) for failure in failures])

    def datasets(self, store: Store) -> Iterable[str]:
        return tradeoffs(store)

    def page(self, store: Store, dataset: str, out: Path, results: Tradeoff | None = None) -> Path | None:
        from bench.studies.tradeoff.page import write_tradeoff_page

        if results is None:
            run = tradeoffs(store, dataset).get(dataset)
            results = collect_tradeoff(store, run) if run else None
        return write_tradeoff_page(results, out) if results else None

    def as_json(self, results: Tradeoff) -> list[dict[str, Any]]:
        from bench.studies.tradeoff.screen import as_json

        return as_json(results)

    def show(self, results: Tradeoff) -> None:
        from bench.studies.tradeoff.screen import print_claims, print_numbers
        from bench.studies.tradeoff.verdicts import judge

        print_numbers(results)
        print_claims(judge(results))


def _sizes(options: Namespace) -> TradeoffSizes:
    return TradeoffSizes(
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


STUDY = TradeoffStudy()
