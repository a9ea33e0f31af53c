"""``bench theory``: what the paper's theory says of each model, as numbers."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import nn

from bench.commands.places import check_directory
from bench.commands.running import rows_only
from bench.commands.screen import cells_bar
from bench.engine.driver import versions
from bench.engine.loaded import Loaded
from bench.engine.store import DirectoryStore
from bench.errors import CellError, UsageError, in_words
from bench.inputs.images import checked_n
from bench.inputs.model_info import ModelInfo
from bench.inputs.sources import Images, ModelSource
from bench.studies import theory
from bench.studies.clever.collect import clever_history
from bench.studies.clever.results import CleverResults
from bench.studies.shared.models import check_device, open_models
from bench.studies.shared.options import check_numbers, model_ask
from bench.studies.shared.screen import say
from bench.studies.theory.page import write_theory_page
from bench.studies.theory.screen import claims_table

DEFAULT_N = 50


def execute(options: Namespace) -> int:
    """Measures every model, prints the claims, and draws the page; 1 if a model could not be measured."""
    check_numbers(options)
    pages = Path(options.reports)
    check_directory(pages)
    check_device(options.device)
    ask = model_ask(options)
    with rows_only():
        data = ask.data.load(download=ask.download)
        n = checked_n(ask.n, data, DEFAULT_N)
        models, loaded = open_models(ask, data, n)
        measured, failed = _measured(models, loaded, data, n, options)
    clever = _scores(Path(options.store), data, {model.info.weights for model in measured})
    results = theory.assemble(
        measured,
        dataset=data.name,
        data=data.sha256,
        n=n,
        seed=options.seed,
        clever={model.info.name: model.scores for model in clever.models} if clever else None,
        scores=_described(clever) if clever else "",
        versions=versions(),
        command=ask.command,
    )
    page = write_theory_page(results, pages)
    if options.json:
        print(json.dumps([_claim_row(claim) for claim in results.claims]))
    else:
        claims_table(results)
    say(f"page: {page}")
    for failure in failed:
        say(f"bench: failed: {failure}")
    return 1 if failed else 0


def _measured(
    models: tuple[tuple[ModelSource, ModelInfo], ...],
    loaded: Loaded,
    data: Images,
    n: int,
    options: Namespace,
) -> tuple[list[theory.ModelTheory], list[str]]:
    x, y = data.images(0, n).numpy(), data.labels[:n].astype(np.int64)
    found, failed = [], []
    with cells_bar("models") as progress:
        for done, (source, info) in enumerate(models):
            progress(done, len(models))
            try:
                words = (info, x, y, options.seed, options.device)
                found.append(loaded.ask(source, info.weights, options.device, _theory, *words, raw=True))
            except (CellError, RuntimeError, ValueError, UsageError) as fault:
                failed.append(f"{info.name}: {in_words(fault)}")
        progress(len(models), len(models))
    loaded.rooms.close()
    return found, failed


def _theory(
    model: nn.Module,
    info: ModelInfo,
    x: Float32[np.ndarray, "n c s s"],
    y: Int64[np.ndarray, " n"],
    seed: int,
    device: str,
) -> theory.ModelTheory:
    images, labels = torch.from_numpy(x).to(device), torch.from_numpy(y).to(device)
    return theory.measure_model(info, model.requires_grad_(False).eval(), images, labels, seed=seed)


def _scores(store: Path, data: Images, weights: set[str]) -> CleverResults | None:
    """The newest CLEVER scores of these weights on these images that the store holds."""
    if not store.is_dir():
        return None
    for results in clever_history(DirectoryStore(store), data.name):
        models = tuple(model for model in results.models if model.info.weights in weights)
        if results.setting.data == data.sha256 and models:
            return replace(results, models=models)
    return None


def _described(clever: CleverResults) -> str:
    options = clever.setting.options
    return f"{options.engine} engine, {options.norm}, radius {options.radius:g}, n = {clever.setting.n}"


def _claim_row(claim: theory.Claim) -> dict[str, str]:
    names = ("id", "where", "statement", "measured", "verdict", "why")
    return {name: str(getattr(claim, name)) for name in names}
