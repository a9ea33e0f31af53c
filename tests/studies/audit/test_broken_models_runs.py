"""The whole audit on all test models: every broken one is found, and no unusual but correct one is."""

from __future__ import annotations

import pytest

from bench.attacks import parse_requests
from bench.engine.executors import InProcess
from bench.engine.store import MemoryStore
from bench.inputs.sources import DataSource
from bench.studies.attacked.audits.study import STUDY, AuditRun
from bench.studies.audit import CHECKS, Audit
from bench.studies.audit.evaluation import prepare_audit
from bench.studies.shared.ask import Ask
from tests.broken_expected import BUILT, EXPECTED, FULL_ONLY, HONEST, HONEST_ZOO
from tests.measured import measured

IMAGES = 40


def audited(model: str, mode: str, n: int = IMAGES) -> Audit:
    ask = Ask(
        models=(model,),
        requests=parse_requests(("pgd",), params={}),
        data=DataSource(spec="digits"),
        eps=(0.05, 0.1),
        n=n,
    )
    audit = prepare_audit(ask, mode)
    results, _ = measured(STUDY, AuditRun(audit), MemoryStore(), InProcess(audit.evaluation.loaded))
    (found,) = results.audits
    return found


def flagged(audit: Audit) -> set[str]:
    return {each.id for each in audit.findings if each.status in ("fail", "warn")}


@pytest.mark.parametrize("name", ["quantised", "nan_when_attacked", "detached"])
def test_some_broken_models_are_caught_by_the_quick_audit(name: str) -> None:
    audit = audited(BUILT[name], "quick")
    assert set(EXPECTED[name]) <= flagged(audit)
    assert audit.verdict == "not_believable"


def needs_runs(name: str) -> bool:
    """Models that the probe alone finds are tested in test_broken_models.py."""
    return name in FULL_ONLY or any(CHECKS[id].cost != "probe" for id in EXPECTED[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", [*filter(needs_runs, EXPECTED), "stale", "softmax", "only_the_best"])
def test_broken_models_are_caught_by_the_full_audit(name: str) -> None:
    audit = audited(BUILT[name], "full", 100 if name in FULL_ONLY else IMAGES)
    assert {*EXPECTED[name], *FULL_ONLY.get(name, ())} <= flagged(audit)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*HONEST_ZOO, *HONEST])
def test_no_honest_model_is_condemned_by_the_full_audit(name: str) -> None:
    audit = audited(name if name in HONEST_ZOO else BUILT[name], "full")
    assert audit.verdict != "not_believable", audit.findings


def test_a_model_that_turns_gradients_off_for_good_condemns_no_other() -> None:
    assert audited(BUILT["switches_gradients_off"], "quick", 8).verdict == "not_believable"
    assert audited("baseline_cnn_4", "quick", 8).verdict == "believable"
