"""Which attacks each check of the audit compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from bench.attacks import parse_requests
from bench.inputs.model_info import ModelInfo
from bench.studies.audit.collect import _attack_findings, _lowest, _Runs
from bench.studies.audit.plan import WHITE_BOX, AuditSetting, first_runs, strength_runs
from bench.studies.robustness.results import Clean, Curve, Setting

N = 100
MODEL = ModelInfo(name="m", weights="w" * 64, trained_on="digits", parameters=1, origin="file")
AUDIT = AuditSetting(
    mode="full",
    base=Setting(
        dataset="digits",
        data="d" * 64,
        n=N,
        norm="linf",
        eps=(0.1,),
        curve="cumulative",
        seed=0,
        protocol="sound",
        backend="cpu",
    ),
)
(PGD,) = parse_requests(("pgd",), params={})


def measured(left: int, grid: int) -> tuple[Clean, Curve]:
    """Of 100 images, all right when clean, the first so many stand at every ε of a grid."""
    zeros = np.zeros(N)
    clean = Clean(
        label=np.arange(N) % 10,
        predicted=np.arange(N) % 10,
        correct=np.ones(N, bool),
        margin=zeros,
        loss=zeros,
        grad_norm=zeros,
        nonfinite=np.zeros(N, bool),
        seconds=0.0,
        digest="",
    )
    standing = np.tile(np.arange(N) < left, (grid, 1))
    none = np.zeros((grid, N), bool)
    curve = Curve(
        request=PGD,
        library="",
        standing=standing,
        attacked=~none,
        distance=np.zeros((grid, N)),
        predicted=np.zeros((grid, N), np.int64),
        nonfinite=none,
        projected=none,
        silent=none,
        gradients=(0,) * grid,
        seconds=(0.0,) * grid,
        digest=("",) * grid,
    )
    return clean, curve


def runs(left: Mapping[str, int]) -> _Runs:
    """So many images are left by these attacks, 60 by all others and none far off."""
    first = {
        run.name: measured({"far": 0, "zero": N}.get(run.name, 60), len(run.setting.eps))
        for run in first_runs(AUDIT)
    }
    later = {run.name: measured(left.get(run.name, 60), 1) for run in strength_runs(AUDIT, MODEL, 0.1)}
    return _Runs(first, later, 0.1)


def statuses(left: Mapping[str, int]) -> dict[str, str]:
    """By check."""
    return {each.id: each.status for each in _attack_findings(AUDIT, MODEL, runs(left))}


def test_attacks_that_all_leave_as_many_flag_nothing() -> None:
    assert set(statuses({}).values()) == {"pass", "skip"}


@pytest.mark.parametrize(
    ("attack", "flagged"),
    [
        ("fgsm once", {"C33"}),
        ("more steps", {"C12", "C33"}),
        ("20 restarts", {"C13", "C33"}),
        ("ε/4", {"C14", "C33"}),
        ("best", {"C16", "C33"}),
        ("margin", {"C26", "C33"}),
        ("targeted", {"C26", "C33"}),
        ("apgd", {"C33"}),
        ("square", {"C7"}),
        ("noise", {"C7", "C19"}),
    ],
)
def test_an_attack_that_gets_further_flags_its_checks(attack: str, flagged: set[str]) -> None:
    found = statuses({attack: 30})
    assert {id for id, status in found.items() if status in ("warn", "fail")} == flagged


@pytest.mark.parametrize("attack", ["more steps", "square", "noise"])
def test_the_audits_number_is_what_all_its_attacks_leave(attack: str) -> None:
    assert _lowest(AUDIT, runs({})).value == 60 / N
    assert _lowest(AUDIT, runs({attack: 30})).value == 30 / N


def test_every_white_box_attack_is_measured() -> None:
    names = {run.name for run in (*first_runs(AUDIT), *strength_runs(AUDIT, MODEL, 0.1))}
    assert set(WHITE_BOX) <= names


def test_in_l1_the_attacks_are_those_that_are_strong_there() -> None:
    audit = replace(AUDIT, base=replace(AUDIT.base, norm="l1", eps=(4.0,)), surrogates=("digits/other#1",))
    runs = {run.name: run.request for run in (*first_runs(audit), *strength_runs(audit, MODEL, 4.0))}
    assert set(WHITE_BOX) <= set(runs)
    assert "transfer" not in runs
    assert {request.norm for name, request in runs.items() if name != "far"} == {"l1"}
    assert {name: runs[name].attack for name in ("pgd", "20 restarts", "targeted", "apgd", "square", "far")} == {
        "pgd": "slide", "20 restarts": "slide", "targeted": "apgd_t", "apgd": "apgd_ce", "square": "square",
        "far": "pgd",
    }  # fmt: skip


def test_strength_is_checked_on_all_images_of_the_audit() -> None:
    assert {run.setting.n for run in strength_runs(AUDIT, MODEL, 0.1)} == {N}
    assert {run.name: run.setting.n for run in first_runs(AUDIT)} == {
        "fgsm": N, "pgd": N, "far": 32, "zero": 32, "independent": N,
    }  # fmt: skip
