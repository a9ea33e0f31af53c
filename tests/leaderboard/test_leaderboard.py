"""The leaderboard keeps what it has and takes what is new."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.attacks import parse_requests
from bench.leaderboard.columns import COLUMNS, IDENTITY, KINDS, TIMING, Row, identity
from bench.leaderboard.file import merge, read
from bench.leaderboard.layout import RUN
from bench.leaderboard.members import is_worst
from bench.studies.robustness.rows import rows
from tests.factory import make_results, visible

ROOT = Path(__file__).parents[2]


def unmarked(row: Row) -> Row:
    """A row of a file as it was made, before the other rows were looked at."""
    return {**row, "audit": "", "stronger": "", "date": ""}


def test_rows_are_models_by_attacks_and_their_worst_case_by_eps() -> None:
    results = make_results(models=("a", "b"), n=50, eps=(0.0, 0.02, 0.15))
    found = rows(results)
    assert len(found) == len({identity(row) for row in found}) == 2 * (2 + 1) * 3
    assert all(tuple(row) == COLUMNS for row in found)
    assert COLUMNS[: len(IDENTITY)] == IDENTITY
    assert set(TIMING) < set(COLUMNS) - set(IDENTITY)


def test_a_row_says_what_was_measured() -> None:
    results = make_results(models=("a",), n=50, eps=(0.05, 0.1))
    model = results.models[0]
    fgsm, pgd = rows(results)[1:4:2]
    assert (fgsm["steps"], fgsm["alpha"], fgsm["alpha_rule"], fgsm["restarts"]) == (None, None, "", None)
    assert (pgd["steps"], pgd["alpha"], pgd["alpha_rule"]) == (20, 2.5 * 0.1 / 20, "2.5*eps/steps")
    assert (pgd["random_start"], pgd["restarts"], pgd["iterate"], pgd["params"]) == (True, 1, "last", "")
    assert (pgd["eps"], pgd["grid"], pgd["curve"]) == (0.1, "0.05;0.1", "cumulative")
    assert (pgd["library"], pgd["norm"], pgd["seeds"]) == ("torchattacks==3.5.1", "linf", "0")
    assert pgd["robust"] == int(model.curves[1].standing[1].sum())
    assert pgd["robust_acc"] == pgd["robust"] / 50
    assert pgd["robust_given_clean"] == pgd["robust"] / pgd["clean_right"]
    assert pgd["clean_acc"] == pgd["clean_right"] / 50
    assert pgd["digest"] == model.curves[1].digest[1]
    assert pgd["vanished"] == int((model.clean.correct & (model.clean.grad_norm == 0)).sum())
    assert "torch=2.10.0;torchattacks=3.5.1" in pgd["versions"]
    for name in ("clean", "robust"):
        assert 0 <= pgd[f"{name}_lo"] <= pgd[f"{name}_acc"] <= pgd[f"{name}_hi"] <= 1


def test_worst_rows_are_the_and_over_the_attacks_they_state() -> None:
    results = make_results(models=("a",), n=50, eps=(0.05, 0.1))
    model = results.models[0]
    worst = [row for row in rows(results) if is_worst(row["attack"])]
    both = model.curves[0].standing & model.curves[1].standing
    assert [row["robust"] for row in worst] == both.sum(axis=1).tolist()
    assert [row["eps"] for row in worst] == [0.05, 0.1]
    assert worst[0]["params"] == (
        "attacks=torchattacks:fgsm();torchattacks:pgd(alpha=None,best_iterate=False,random_start=True,"
        "restarts=1,steps=20)"
    )
    assert worst[0]["library"] == "torchattacks==3.5.1"
    assert not [r for r in rows(make_results(attacks=("pgd",))) if is_worst(r["attack"])]  # a set of one


def test_a_spatial_attack_has_one_row_without_eps_and_stays_out_of_the_worst_case(tmp_path: Path) -> None:
    results = make_results(models=("a",), n=50, eps=(0.05, 0.1))
    (model,) = results.models
    (request,) = parse_requests(("spatial_grid",), params={"rotation": 15.0})
    curve = model.curves[1]
    arrays = ("standing", "attacked", "distance", "predicted", "nonfinite", "projected", "silent")
    first = {name: getattr(curve, name)[:1] for name in arrays}
    spatial = replace(curve, request=request, library="foolbox==3.3.4", **first)
    found = rows(replace(results, models=(replace(model, spatial=(spatial,)),)))
    (row,) = (r for r in found if r["attack"] == "spatial_grid")
    assert (row["eps"], row["norm"], row["curve"], row["grid"], row["iterate"]) == (None, "", "", "", "")
    assert row["params"] == "rotation=15.0;rotations=31;translation=0.1;translations=5"
    assert row["robust"] == int(spatial.standing[0].sum())
    assert all("spatial" not in r["params"] for r in found if is_worst(r["attack"]))
    merge(tmp_path / "l.csv", found)
    assert sorted(map(repr, map(unmarked, read(tmp_path / "l.csv")))) == sorted(map(repr, found))


def test_the_audits_verdict_marks_the_rows_of_its_weights_and_images() -> None:
    results = make_results(models=("a", "b"), n=50, eps=(0.05,))
    weights, data = results.models[0].info.weights, results.setting.data
    marked = rows(results, {(weights, data): "not_believable", (weights, "other"): "believable"})
    assert {(r["model"], r["audit"]) for r in marked} == {("a", "not_believable"), ("b", "")}


def test_measuring_again_without_an_audit_leaves_the_verdict(tmp_path: Path) -> None:
    results = make_results(models=("a",), n=20, eps=(0.1,), attacks=("pgd",))
    key = (results.models[0].info.weights, results.setting.data)
    path = tmp_path / "l.csv"
    for verdict, kept in (
        ("upper_bound(full)", "upper_bound(full)"),
        ("", "upper_bound(full)"),
        ("believable(quick)", "upper_bound(full)"),  # it tries less than the full one did
        ("believable(full)", "believable(full)"),
        ("believable(quick)", "believable(full)"),
        ("not_believable(quick)", "not_believable(quick)"),
        ("believable(quick)", "believable(quick)"),
    ):
        merge(path, rows(results, {key: verdict}))
        assert [row["audit"] for row in read(path)] == [kept]


def test_independent_rows_do_not_depend_on_the_grid() -> None:
    short, long = (make_results(models=("a",), eps=e, curve="independent") for e in [(0.1,), (0.05, 0.1)])
    assert identity(rows(short)[0]) == identity(rows(long)[1])
    assert rows(long)[1]["grid"] == ""


def test_parameters_without_a_column_are_part_of_the_identity() -> None:
    results = make_results(models=("a",), n=20, eps=(0.1,), attacks=("fgsm",))
    (curve,) = results.models[0].curves
    request = replace(curve.request, params=(("loss", "dlr"), ("targets", 9)))
    model = replace(results.models[0], curves=(replace(curve, request=request),))
    (row,) = rows(replace(results, models=(model,)))
    assert row["params"] == "loss=dlr;targets=9"
    assert "params" in IDENTITY


def test_a_model_that_is_never_right_has_no_share_of_right_ones(tmp_path: Path) -> None:
    results = make_results(models=("a",), n=20, eps=(0.1,), attacks=("fgsm",))
    (model,) = results.models
    clean = replace(model.clean, correct=model.clean.correct & False)
    curve = replace(model.curves[0], standing=model.curves[0].standing & False)
    found = rows(replace(results, models=(replace(model, clean=clean, curves=(curve,)),)))
    assert found[0]["robust_given_clean"] is found[0]["robust_given_clean_hi"] is None
    merge(tmp_path / "l.csv", found)
    assert list(map(unmarked, read(tmp_path / "l.csv"))) == found


def test_what_is_read_is_what_was_written(board: Path) -> None:
    written = rows(make_results(models=("a", "b"), n=50))
    assert sorted(map(repr, map(unmarked, read(board)))) == sorted(map(repr, written))


def test_columns_have_their_types(board: Path) -> None:
    types = {"text": str, "int": int, "float": float, "bool": bool}
    for row in read(board):
        assert all(value is None or type(value) is types[KINDS[name]] for name, value in row.items())


def test_eps_is_sorted_as_a_number(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    merge(path, rows(make_results(models=("a",), n=20, eps=(1e-05, 0.02, 8 / 255, 0.1), curve="independent")))
    assert [row["eps"] for row in read(path)] == [1e-05, 0.02, 8 / 255, 0.1] * 3


def test_merging_again_changes_no_byte_in_any_order(board: Path, tmp_path: Path) -> None:
    before = board.read_bytes()
    new = rows(make_results(models=("a", "b"), n=50))
    merge(board, new)
    assert board.read_bytes() == before
    other = tmp_path / "other.csv"
    for row in reversed(new):
        merge(other, [row])
    assert other.read_bytes() == before
    assert visible(tmp_path) == ["leaderboard.csv", "other.csv", "reports"]
    parts = [(tmp_path / "reports" / name).read_bytes() for name in visible(tmp_path / "reports")]
    assert len(parts) == 4
    assert parts[:2] == parts[2:]  # other-results.csv, other-runs.csv, results.csv, runs.csv


def test_new_rows_replace_those_of_the_same_identity_and_keep_the_rest(board: Path) -> None:
    old = read(board)
    merge(board, [{**old[3], "robust": 7, "seconds": 99.5, "digest": "other"}])
    new = read(board)
    assert (new[3]["robust"], new[3]["seconds"]) == (7, 99.5)
    assert new[:3] + new[4:] == old[:3] + old[4:]
    merge(board, rows(make_results(models=("c",), n=50)))
    assert [r for r in read(board) if r["model"] != "c"] == new


_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


@given(
    _TEXT
    | st.sampled_from(["=1+1", "+x", "-", "@SUM(A1)", '"', 'a,"b"\r\nc', "\r", "\n", " ", "\0", "é\u2028"])
)
def test_any_model_name_comes_back_exactly(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    path = tmp_path_factory.mktemp("names") / "l.csv"
    (row, *_) = rows(make_results(models=("a",), n=5, eps=(0.1,)))
    merge(path, [{**row, "model": name}])
    assert list(map(unmarked, read(path))) == [{**row, "model": name}]


def test_the_docs_list_exactly_the_columns_with_their_types() -> None:
    text = (ROOT / "docs" / "leaderboard.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| ([\w/]+) \| \S", text, flags=re.MULTILINE)
    types = {"text": "text", "int": "integer", "float": "number", "bool": "true/false"}
    assert listed == [(name, types[kind]) for name, kind in KINDS.items()]
    identity_part = text.split("## Results")[0].split("## What was measured")[1]
    assert tuple(re.findall(r"^\| `(\w+)`", identity_part, flags=re.MULTILINE)) == IDENTITY
    assert set(re.findall(r"^\| `(\w+)` \| [\w/]+ \| °", text, flags=re.MULTILINE)) == set(RUN)
