"""The results behind a page beside the paper, each with its digest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.inputs.model_info import ModelInfo
from bench.studies.paper.reproduction import Reproduction
from bench.studies.robustness.results import Curve, ModelResult, Results


@dataclass(frozen=True, slots=True)
class Origin:
    """Results of one model under one protocol.

    Attributes:
        model: name and weights.
        protocol, dataset, data, n: what they were measured under and on; ``data`` is the images' sha256.
        digests: what was measured, and the sha256 of its results, which is one where cells are one.
    """

    model: ModelInfo
    protocol: str
    dataset: str
    data: str
    n: int
    digests: tuple[tuple[str, str], ...]


def origins(reproduction: Reproduction) -> tuple[Origin, ...]:
    """All results of a page: attacks, attacks on corrupted images, trainings of other seeds, removed pixels."""
    sets = [*reproduction.results, *(each.results for each in reproduction.corrupted)]
    found = [_attacked(results, model) for results in sets for model in results.models]
    found += [
        _attacked(results, model)
        for results in reproduction.replicas
        for model in results.models
        if "@" in model.info.name
    ]
    if (mip := reproduction.mip) is not None:
        of = mip.setting
        found += [
            Origin(model.info, of.protocol, of.dataset, of.data, of.n, (("removed pixels", model.digest),))
            for model in mip.models
        ]
    return tuple(found)


def _attacked(results: Results, model: ModelResult) -> Origin:
    of = results.setting
    curves = (each for curve in model.curves for each in _digests(curve, of.eps))
    digests = (("clean", model.clean.digest), *curves)
    return Origin(model.info, of.protocol, of.dataset, of.data, of.n, digests)


def _digests(curve: Curve, eps: tuple[float, ...]) -> Iterator[tuple[str, str]]:
    attack = curve.request.label
    if len(set(curve.digest)) == 1:
        yield f"{attack}, all ε", curve.digest[0]
    else:
        yield from ((f"{attack} {each:g}", digest) for each, digest in zip(eps, curve.digest, strict=True))
