"""The test bed through the whole audit: every broken model is caught by name, no honest one condemned."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.attacks import parse_requests
from bench.audit import Audit
from bench.audit_evaluation import prepare_audit, run_audit
from bench.evaluation import Ask
from bench.executors import InProcess
from bench.sources import DataSource
from bench.store import MemoryStore
from tests.bed_expected import EXPECTED, FULL_ONLY, HONEST, HONEST_ZOO

BED = Path(__file__).parent / "bed.py"
IMAGES = 40  # enough for every check but C31, which is given its own number


def audited(model: str, mode: str, n: int = IMAGES) -> Audit:
    ask = Ask(
        models=(model,),
        requests=parse_requests(("pgd",), params={}),
        data=DataSource(spec="digits"),
        eps=(0.05, 0.1),
        n=n,
    )
    audit = prepare_audit(ask, mode)
    results, _ = run_audit(audit, MemoryStore(), InProcess(audit.evaluation.bench))
    (found,) = results.audits
    return found


def flagged(audit: Audit) -> set[str]:
    return {each.id for each in audit.findings if each.status in ("fail", "warn")}


@pytest.mark.parametrize("name", ["quantised", "nan_when_attacked", "detached"])
def test_some_broken_models_are_caught_by_the_quick_audit(name: str) -> None:
    audit = audited(f"{BED}:{name}", "quick")
    assert set(EXPECTED[name]) <= flagged(audit)
    assert audit.verdict == "not_believable"


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_every_broken_model_is_caught_by_the_full_audit(name: str) -> None:
    n = 100 if "C31" in EXPECTED[name] or name in FULL_ONLY else IMAGES
    audit = audited(f"{BED}:{name}", "full", n)
    assert {*EXPECTED[name], *FULL_ONLY.get(name, ())} <= flagged(audit)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*HONEST_ZOO, *HONEST])
def test_no_honest_model_is_condemned_by_the_full_audit(name: str) -> None:
    audit = audited(name if name in HONEST_ZOO else f"{BED}:{name}", "full")
    assert audit.verdict != "not_believable", audit.findings
