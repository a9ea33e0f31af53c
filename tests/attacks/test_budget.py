"""``--budget``: no attack takes more passes than it is given, and its curve ends where the row says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import bench
from bench.attacks import ATTACKS, adapter, parse_requests
from bench.attacks.budget import within_budget
from bench.commands.cli import main
from bench.errors import UsageError
from bench.leaderboard.members import request_of
from bench.studies.robustness.passes import accuracy_by_passes
from tests.toys import Linear, linear_problem, marks_of

LIMITS = {
    "autoattack", "autoattack_plus", "autoattack_rand", "cw", "ti_fgsm", "transfer", "ead",
    "brendel_bethge",  # it finds no start where nothing breaks
}  # fmt: skip
FEW = [
    pytest.param(name, library, norm, marks=marks_of(spec))
    for (name, library), spec in ATTACKS.items()
    for norm in spec.norms[-1:]
    if name not in LIMITS and spec.threat != "spatial" and (name, library) != ("square", "torchattacks")
]


class Counted(Linear):
    """Counts passes: one forward, and one backward for every gradient."""

    passes = 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += len(x) * (2 if x.requires_grad and torch.is_grad_enabled() else 1)
        return super().forward(x)


@pytest.mark.parametrize(("name", "library", "norm"), FEW)
def test_no_attack_takes_more_passes_than_its_budget(name: str, library: str, norm: str) -> None:
    linear, x, y, _ = linear_problem(4)
    model = Counted(linear.weight.detach(), 50.0).requires_grad_(False).eval()  # nothing breaks it
    y = torch.ones(4, dtype=torch.int64)
    (request,) = within_budget(
        parse_requests([f"{library}:{name}"], norm=norm, params={"budget": 300, **_own(name, library)}), 4
    )
    params = dict(request.params_at(1.0))
    spec = request.spec
    given = {
        key: params[key]
        for key in spec.params
        if key not in ("restarts", "targets", "best_iterate", "surrogate")
    }
    given |= {"eps": 1.0 if norm == "l0" else 1e-3} if spec.threat == "ball" else {}
    given |= {"seed": 0} if spec.seeded else {}
    given |= {"target": torch.zeros_like(y)} if spec.targeted else {}
    adapter(name, library)(_Padded(model), x, y, norm=norm, **given)
    calls = int(params.get("restarts") or 1) * min(int(params.get("targets") or 1), 3)
    assert 0 < model.passes / 4 * calls <= 300
    if name not in ("fgsm", "deepfool", "fab_t", "boundary", "hopskipjump"):  # these end before
        assert model.passes / 4 * calls > 150


def _own(name: str, library: str) -> dict[str, int]:
    return {"restarts": 2} if "restarts" in ATTACKS[name, library].params else {}


class _Padded(nn.Module):
    """Four classes, so that every loss is defined."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.pad(self.model(x), (0, 2), value=-100.0)


def test_the_curve_falls_to_what_the_judge_found_and_more_passes_never_leave_more() -> None:
    model, x, y, radius = linear_problem()
    eps = [float(radius.median()), 1.2 * float(radius.max())]
    attacks = ["fgsm", "pgd", "square", "noise", "hopskipjump", "fmn"]
    results = bench.evaluate(model, x, y, attacks=attacks, eps=eps, budget=400)
    (found,) = results.models
    for curve in found.curves:
        for i in range(2):
            shares = accuracy_by_passes(results.setting, found, curve, i)
            assert curve.trace_passes is not None
            assert curve.trace_passes.tolist() == [25.0 * k for k in range(1, 17)]
            assert (np.diff(shares) <= 0).all()
            assert shares[-1] == curve.standing[i].mean()
    by_name = {curve.request.attack: curve for curve in found.curves}
    first = {name: accuracy_by_passes(results.setting, found, curve, 1)[0] for name, curve in by_name.items()}
    assert first["fgsm"] == 0  # two passes are all it takes
    assert first["pgd"] > 0.5
    early = accuracy_by_passes(results.setting, found, by_name["hopskipjump"], 1)
    assert early[0] > early[7] > early[-1]


def test_points_of_a_few_images_count_for_the_image_they_are_nearest_to() -> None:
    """Once it has broken some, Square asks about the others alone; all that it broke is in its curve."""
    model, x, y, radius = linear_problem()
    results = bench.evaluate(model, x, y, attacks=["square"], eps=2 * float(radius.median()), budget=300)
    curve = results.models[0].curves[0]
    assert curve.trace is not None
    before = np.isfinite(curve.trace[0, :, -2])
    assert before.sum() > 0.9 * (~curve.standing[0]).sum()
    assert not before[curve.standing[0]].any()


def test_rows_say_the_budget_and_the_page_shows_the_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = "run --model baseline_cnn_4 --attacks fgsm,pgd --eps 0.05,0.1 --n 10 --workers 1 --budget 40"
    assert main(words.split()) == 0
    page = Path("reports/digits.html").read_text()
    assert "Accuracy against passes" in page
    assert "pgd (budget 40, steps 19)" in page
    assert "budget=40" in Path("leaderboard.csv").read_text()


def test_a_row_is_read_back_as_its_request() -> None:
    model, x, y, _ = linear_problem(8)
    results = bench.evaluate(model, x, y, attacks=["pgd", "fmn"], eps=0.01, budget=100)
    asked = {curve.request for curve in results.models[0].curves}
    rows = [row for row in bench.leaderboard_rows(results) if not row["attack"].startswith("worst")]
    assert {request_of(row) for row in rows} == asked


@pytest.mark.parametrize(
    ("names", "params", "said"),
    [
        (["pgd"], {"budget": 0}, "--budget is 0; it is a number of passes for each image, at least 1"),
        (["pgd"], {"budget": 9, "steps": 3}, "--budget is 9, which chooses --steps itself; leave one of them out"),
        (["autoattack"], {"budget": 2000}, ("--budget is 2000, but autoattack takes up to 5117 passes an image with "
         "one of its steps; give more, or leave it out")),
    ],
)  # fmt: skip
def test_budgets_that_cannot_be_are_refused(names: list[str], params: dict[str, int], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        within_budget(parse_requests(names, params=params), 10)


def test_without_a_budget_nothing_of_it_is_stored() -> None:
    (request,) = parse_requests(["pgd"], params={})
    assert within_budget((request,), 10) == (request,)
    assert "budget" not in dict(request.params)
