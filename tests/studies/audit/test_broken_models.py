"""The probe finds every broken model that it can find, and no unusual but correct one."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch

import zoo
from bench.inputs.own_models import from_file
from bench.studies.audit import CHECKS, Audit, probe_findings
from bench.studies.audit.probe import probe
from tests.broken_expected import BUILT, EXPECTED, FULL_ONLY, HONEST, HONEST_ZOO
from zoo.deployment import deploy

# A few classes in the default suite, every model with the slow tests.
QUICKLY = ("detached", "decoy", "reseeded", "remembers_elsewhere", "changes_the_image", "says_p4")


def probed(model: torch.nn.Module, n: int) -> Audit:
    digits = zoo.data.load("digits", "test")
    arrays = probe(deploy(model), model, digits.images(0, n), digits.targets(0, n), seed=0, full=False)
    return Audit(model="", weights="", mode="quick", findings=probe_findings(arrays))


@cache
def flagged(name: str, n: int) -> frozenset[str]:
    findings = probed(from_file(BUILT[name])(), n).findings
    return frozenset(each.id for each in findings if each.status in ("fail", "warn"))


def expected(name: str) -> set[str]:
    return {id for id in EXPECTED[name] if CHECKS[id].cost == "probe"}


@pytest.mark.parametrize("name", QUICKLY)
def test_a_few_classes_are_caught(name: str) -> None:
    assert expected(name) <= flagged(name, 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_every_broken_model_is_caught(name: str) -> None:
    assert expected(name)
    assert expected(name) <= flagged(name, 200)


def test_an_equivariant_model_is_believable() -> None:
    audit = probed(zoo.load("equivariant_gcnn_4"), 8)
    assert {each.id: each.detail for each in audit.findings if each.status in ("fail", "warn")} == {}
    assert audit.verdict == "believable"


def test_an_unusual_honest_model_is_believable() -> None:
    assert flagged("fills_a_cache", 8) == frozenset()


@pytest.mark.slow
@pytest.mark.parametrize("name", [*zoo.names(), *HONEST])
def test_every_honest_model_is_believable(name: str) -> None:
    model = from_file(BUILT[name])() if name in HONEST else zoo.load(name)
    findings = probed(model, 200).findings
    assert {each.id: each.detail for each in findings if each.status in ("fail", "warn")} == {}


def test_the_bed_is_large_enough() -> None:
    assert len(EXPECTED) >= 12
    assert len(HONEST_ZOO) + len(HONEST) >= 5
    fatal = [name for name, ids in EXPECTED.items() if any(CHECKS[id].kind == "fatal" for id in ids)]
    assert len(fatal) >= 12
    assert set(FULL_ONLY) <= set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_broken_models_look_like_models(name: str) -> None:
    """They must look sound: right on the digits, unless wrong answers are their fault."""
    digits = zoo.data.load("digits", "test")
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        right = deploy(from_file(BUILT[name])())(digits.images(0, 60)).argmax(1) == digits.targets(0, 60)
    if name not in ("expects_normalised", "expects_bytes", "random_shift"):
        assert right.float().mean() > 0.8


def test_the_documentation_has_every_check_and_every_broken_model() -> None:
    text = (Path(__file__).parents[3] / "docs" / "audit.md").read_text(encoding="utf-8")
    for check in CHECKS.values():
        row = (
            check.id,
            check.kind,
            check.title,
            check.rule,
            check.source,
            check.cost,
            ", ".join(check.modes),
        )
        assert f"| {' | '.join(row)} |" in text
        assert f"| {check.id} | {check.meaning} | {check.remedy} |" in text
    for name, ids in EXPECTED.items():
        summary = str(from_file(BUILT[name]).__doc__).splitlines()[0]
        later = ", ".join(FULL_ONLY.get(name, ()))
        assert f"| `{name}` | {summary} | {', '.join(ids)} | {later} |" in text
