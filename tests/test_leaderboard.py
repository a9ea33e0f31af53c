"""The leaderboard keeps what it has, takes what is new, and touches nothing it does not understand."""

import csv
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bench.leaderboard as leaderboard
from bench.attacks import parse_requests
from bench.errors import UsageError
from bench.leaderboard import COLUMNS, IDENTITY, TIMING, check_writable, identity, merge, read, rows
from bench.rows import KINDS
from tests.factory import make_results

ROOT = Path(__file__).parent.parent


def visible(folder: Path) -> list[str]:
    """Names in a folder but for locks, which stay where they are."""
    return sorted(name for name in os.listdir(folder) if not (name[0] == "." and name.endswith(".lock")))


@pytest.fixture
def board(tmp_path: Path) -> Path:
    path = tmp_path / "leaderboard.csv"
    merge(path, rows(make_results(models=("a", "b"), n=50)))
    return path


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
    worst = [row for row in rows(results) if row["attack"] == "worst"]
    both = model.curves[0].standing & model.curves[1].standing
    assert [row["robust"] for row in worst] == both.sum(axis=1).tolist()
    assert [row["eps"] for row in worst] == [0.05, 0.1]
    assert worst[0]["params"] == (
        "attacks=torchattacks:fgsm();torchattacks:pgd(alpha=None,best_iterate=False,random_start=True,"
        "restarts=1,steps=20)"
    )
    assert worst[0]["library"] == "torchattacks==3.5.1"
    assert not [r for r in rows(make_results(attacks=("pgd",))) if r["attack"] == "worst"]  # a set of one


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
    assert all("spatial" not in r["params"] for r in found if r["attack"] == "worst")
    merge(tmp_path / "l.csv", found)
    assert sorted(map(repr, read(tmp_path / "l.csv"))) == sorted(map(repr, found))


def test_the_audits_verdict_marks_the_rows_of_its_weights_and_images() -> None:
    results = make_results(models=("a", "b"), n=50, eps=(0.05,))
    weights, data = results.models[0].info.weights, results.setting.data
    marked = rows(results, {(weights, data): "not_believable", (weights, "other"): "believable"})
    assert {(r["model"], r["audit"]) for r in marked} == {("a", "not_believable"), ("b", "")}


def test_measuring_again_without_an_audit_leaves_the_verdict(tmp_path: Path) -> None:
    results = make_results(models=("a",), n=20, eps=(0.1,), attacks=("fgsm",))
    key = (results.models[0].info.weights, results.setting.data)
    path = tmp_path / "l.csv"
    for verdict, kept in (("upper_bound", "upper_bound"), ("", "upper_bound"), ("believable", "believable")):
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
    assert read(tmp_path / "l.csv") == found


def test_what_is_read_is_what_was_written(board: Path) -> None:
    written = rows(make_results(models=("a", "b"), n=50))
    assert sorted(map(repr, read(board))) == sorted(map(repr, written))


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
    assert visible(tmp_path) == ["leaderboard.csv", "other.csv"]


def test_new_rows_replace_those_of_the_same_identity_and_keep_the_rest(board: Path) -> None:
    old = read(board)
    merge(board, [{**old[3], "robust": 7, "seconds": 99.5}])
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
    assert read(path) == [{**row, "model": name}]


def _refused(path: Path, *words: str) -> None:
    """Both merge and check_writable refuse, in one line with these words, and leave the file as it is."""
    before = path.read_bytes() if path.is_file() else None
    for attempt in (lambda: merge(path, []), lambda: check_writable(path)):
        with pytest.raises(UsageError) as caught:
            attempt()
        message = str(caught.value)
        assert "\n" not in message
        assert "--leaderboard FILE" in message
        assert all(word in message for word in (path.name, *words)), message
    if before is not None:
        assert path.read_bytes() == before
        assert visible(path.parent) == [path.name]


@pytest.mark.parametrize(
    "text", ["", "\n", "a,b\n1,2\n", "hello", "model\nx\n", ",".join(COLUMNS[:-2]) + "\n"]
)
def test_a_foreign_file_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text)
    _refused(path, "is not a leaderboard")


def test_a_binary_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "picture.csv"
    path.write_bytes(b"\x89PNG\xff\xfe")
    _refused(path, "is not a leaderboard")


def _damage(board: Path, change) -> None:
    lines = board.read_text().splitlines(keepends=True)
    board.write_text("".join(change(lines)))


def _with_field(line: str, column: str, value: str) -> str:
    fields = line.rstrip("\n").split(",")
    fields[COLUMNS.index(column)] = value
    return ",".join(fields) + "\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: [*x[:-1], x[-1][:-1]], ("line 25", "cut off")),
        (lambda x: [*x[:-1], x[-1][:40]], ("line 25", "fields instead of")),
        (lambda x: [*x[:4], x[4].replace(",", ";", 1), *x[5:]], ("line 5", "fields instead of")),
        (lambda x: [*x[:2], "\n", *x[2:]], ("line 3", "0 fields")),
        (lambda x: [*x[:3], '"' + x[3], *x[4:]], ("line 4",)),
        (
            lambda x: [*x[:6], _with_field(x[6], "robust_acc", "0.5x"), *x[7:]],
            ("line 7", "robust_acc is '0.5x'"),
        ),
        (
            lambda x: [*x[:6], _with_field(x[6], "robust_acc", "nan"), *x[7:]],
            ("line 7", "robust_acc is 'nan'"),
        ),
        (lambda x: [*x[:6], _with_field(x[6], "clean_acc", ""), *x[7:]], ("line 7", "clean_acc is ''")),
        (
            lambda x: [*x[:6], _with_field(x[6], "random_start", "yes"), *x[7:]],
            ("line 7", "random_start is 'yes'"),
        ),
        (lambda x: [*x[:6], _with_field(x[6], "schema", ""), *x[7:]], ("line 7", "schema is ''")),
        (lambda x: [x[0].replace("robust_lo", "low"), *x[1:]], ("line 1", "columns")),
    ],
)
def test_a_damaged_file_is_left_alone(board: Path, change, words: tuple[str, ...]) -> None:
    _damage(board, change)
    _refused(board, "damaged", *words)


def test_a_newer_file_is_left_alone(board: Path) -> None:
    _damage(board, lambda x: [*x[:2], _with_field(x[2], "schema", "4"), *x[3:]])
    _refused(board, "line 3", "schema 4", "newer symbench")


def test_a_newer_file_with_other_columns_is_left_alone(board: Path) -> None:
    with board.open(newline="") as file:
        table = list(csv.DictReader(file))
    with board.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["verdict", *COLUMNS[3:]])
        writer.writerows(["?", *({**row, "schema": "4"}[c] for c in COLUMNS[3:])] for row in table)
    _refused(board, "not a leaderboard")  # without model
    text = board.read_text().replace("verdict", "model", 1)
    board.write_text(text)
    _refused(board, "line 2", "schema 4", "newer symbench")


def test_an_older_file_is_read_and_carried_over(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = read(board)
    older = tuple(c for c in COLUMNS if c not in ("projected", "versions"))
    with board.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(older)
        writer.writerows([leaderboard._cell({**row, "schema": 0}[c]) for c in older] for row in table)
    _refused(board, "damaged", "line 1")
    monkeypatch.setattr(leaderboard, "OLDER", {0: older})
    found = read(board)
    assert found == [{**row, "schema": 0, "projected": None, "versions": ""} for row in table]
    newest = rows(make_results(models=("c",), n=50))
    merge(board, newest)
    assert read(board)[: len(found)] == found
    assert [r["projected"] for r in read(board)[len(found) :]] == [
        r["projected"] for r in sorted(newest, key=lambda r: (r["attack"], r["eps"]))
    ]


def test_rows_of_schema_2_are_replaced_by_the_same_measurement(tmp_path: Path) -> None:
    """Before there was a choice of iterate the last one counted."""
    path, new = tmp_path / "l.csv", rows(make_results(models=("a",), n=50, eps=(0.1,)))
    fgsm_and_pgd = [row for row in new if row["attack"] != "worst"]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(leaderboard.OLDER[2])
        writer.writerows(
            [leaderboard._cell({**row, "schema": 2}[c]) for c in leaderboard.OLDER[2]] for row in fgsm_and_pgd
        )
    assert [row["iterate"] for row in read(path)] == ["", "last"]
    merge(path, fgsm_and_pgd)
    assert read(path) == fgsm_and_pgd


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    _refused(tmp_path / "none" / "l.csv", "cannot be written", "No such file or directory")
    _refused(tmp_path, "not a plain file")
    (tmp_path / "file").write_text("")
    _refused(tmp_path / "file" / "l.csv", "cannot be written")
    _refused(Path("/proc/l.csv"), "cannot be written")
    _refused(Path("/dev/null"), "not a plain file")
    assert os.listdir(tmp_path) == ["file"]


def test_a_read_only_file_is_left_alone(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board.chmod(0o444)
    monkeypatch.setattr(leaderboard.os, "access", lambda path, mode: Path(path).stat().st_mode & 0o222 != 0)
    _refused(board, "cannot be written")


def test_checking_leaves_nothing_behind(tmp_path: Path, board: Path) -> None:
    before = sorted(os.listdir(tmp_path))
    check_writable(tmp_path / "new.csv")
    check_writable(board)
    assert sorted(os.listdir(tmp_path)) == before


def test_a_link_and_the_file_mode_survive(board: Path, tmp_path: Path) -> None:
    board.chmod(0o640)
    link = tmp_path / "link.csv"
    link.symlink_to(board)
    merge(link, rows(make_results(models=("c",), n=50)))
    assert link.is_symlink()
    assert board.stat().st_mode & 0o777 == 0o640
    assert {row["model"] for row in read(board)} == {"a", "b", "c"}


def test_a_failed_write_leaves_the_old_file(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = board.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(leaderboard.os, "fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        merge(board, rows(make_results(models=("c",), n=50)))
    assert board.read_bytes() == before
    assert visible(board.parent) == [board.name]


def test_marking_takes_nothing_back(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process writes while this one waits for the lock stays."""
    old, lock = read(board), leaderboard.FileLock

    def late(*args: object, **options: object) -> object:
        monkeypatch.setattr(leaderboard, "FileLock", lock)
        merge(board, [{**old[3], "robust": 7}])
        return lock(*args, **options)

    monkeypatch.setattr(leaderboard, "FileLock", late)
    leaderboard.mark(board, {(old[3]["weights"], old[3]["data"]): "upper_bound"})
    new = read(board)
    assert (new[3]["robust"], new[3]["audit"]) == (7, "upper_bound")
    assert {row["audit"] for row in new if row["weights"] != old[3]["weights"]} == {""}
    assert [{**row, "audit": "", "robust": 0} for row in new] == [{**row, "robust": 0} for row in old]


def test_marking_makes_no_leaderboard(tmp_path: Path) -> None:
    leaderboard.mark(tmp_path / "l.csv", {("w", "d"): "believable"})
    assert os.listdir(tmp_path) == []


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    """Also where each has another place for temporary files, as in containers and batch jobs."""
    path = tmp_path / "l.csv"
    code = (
        "import sys\nfrom pathlib import Path\nfrom bench.leaderboard import merge, rows\n"
        "from tests.factory import make_results\n"
        "found = rows(make_results(models=(sys.argv[2],), n=20))\n"
        "for _ in range(10):\n    for row in found: merge(Path(sys.argv[1]), [row])\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    running = [
        subprocess.Popen([*command, name], cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path / name)})
        for name in ("a", "b")
    ]
    assert [process.wait(timeout=60) for process in running] == [0, 0]
    assert sorted({row["model"] for row in read(path)}) == ["a", "b"]
    assert len(read(path)) == 2 * 3 * 4
    assert visible(tmp_path) == ["a", "b", "l.csv"]


def test_the_docs_list_exactly_the_columns_with_their_types() -> None:
    text = (ROOT / "docs" / "leaderboard.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| ([\w/]+) \| \S", text, flags=re.MULTILINE)
    types = {"text": "text", "int": "integer", "float": "number", "bool": "true/false"}
    assert listed == [(name, types[kind]) for name, kind in KINDS.items()]
    identity_part = text.split("## What came out")[0]
    assert tuple(re.findall(r"^\| `(\w+)`", identity_part, flags=re.MULTILINE)) == IDENTITY
