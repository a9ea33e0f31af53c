"""The leaderboard touches nothing it does not understand, and loses nothing where it is written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import bench.leaderboard.disk as disk
import bench.leaderboard.file as leaderboard
from bench.errors import UsageError
from bench.leaderboard.columns import COLUMNS, Row, columns_of
from bench.leaderboard.file import check_writable, merge, read
from bench.leaderboard.members import is_worst
from bench.studies.robustness.rows import rows
from tests.factory import make_results, visible, write_wide

ROOT = Path(__file__).parents[2]
WIDE = columns_of(5)


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """A leaderboard of two models as versions up to schema 5 wrote it, with all columns."""
    path = tmp_path / "old.csv"
    write_wide(path, rows(make_results(models=("a", "b"), n=50)))
    return path


def undated(found: list[Row]) -> list[Row]:
    return [{**row, "date": ""} for row in found]


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
        assert [name for name in visible(path.parent) if name != "reports"] == [path.name]


@pytest.mark.parametrize("text", ["\n", "a,b\n1,2\n", "hello", "model\nx\n", ",".join(COLUMNS[:-2]) + "\n"])
def test_a_foreign_file_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text)
    _refused(path, "is not a leaderboard")


def test_a_binary_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "picture.csv"
    path.write_bytes(b"\x89PNG\xff\xfe")
    _refused(path, "is not a leaderboard")


def _damage(file: Path, change) -> None:
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(change(lines)))


def _with_field(line: str, column: str, value: str) -> str:
    fields = line.rstrip("\n").split(",")
    fields[WIDE.index(column)] = value
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
def test_a_damaged_file_is_left_alone(wide: Path, change, words: tuple[str, ...]) -> None:
    _damage(wide, change)
    _refused(wide, "damaged", *words)


def test_a_newer_file_is_left_alone(wide: Path) -> None:
    _damage(wide, lambda x: [*x[:2], _with_field(x[2], "schema", "8"), *x[3:]])
    _refused(wide, "line 3", "schema 8", "newer symbench")


def test_a_newer_file_with_other_columns_is_left_alone(wide: Path) -> None:
    _damage(
        wide, lambda x: [x[0].replace("robust_lo", "low"), *(_with_field(y, "schema", "8") for y in x[1:])]
    )
    _refused(wide, "line 2", "schema 8", "newer symbench")
    _damage(wide, lambda x: [x[0].replace("model", "verdict"), *x[1:]])
    _refused(wide, "not a leaderboard")


def test_rows_of_schema_2_are_replaced_by_the_same_measurement(tmp_path: Path) -> None:
    """Before there was a choice of iterate the last one counted."""
    path, new = tmp_path / "l.csv", rows(make_results(models=("a",), n=50, eps=(0.1,)))
    fgsm_and_pgd = [row for row in new if not is_worst(row["attack"])]
    write_wide(path, fgsm_and_pgd, schema=2)
    assert [row["iterate"] for row in read(path)] == ["", "last"]
    merge(path, fgsm_and_pgd)
    assert undated(read(path)) == fgsm_and_pgd


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    _refused(tmp_path / "none" / "l.csv", "cannot be written", "No such file or directory")
    _refused(tmp_path, "not a plain file")
    (tmp_path / "file").write_text("")
    _refused(tmp_path / "file" / "l.csv", "cannot be written")
    _refused(Path("/proc/l.csv"), "cannot be written")
    _refused(Path("/dev/null"), "not a plain file")
    assert os.listdir(tmp_path) == ["file"]


def test_a_read_only_file_is_left_alone(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk.os, "access", lambda path, mode: Path(path).stat().st_mode & 0o222 != 0)
    for file in (board, board.parent / "reports" / "results.csv", board.parent / "reports"):
        file.chmod(0o555)
        _refused(board, "cannot be written")
        file.chmod(0o755)


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

    monkeypatch.setattr(disk.os, "fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        merge(board, rows(make_results(models=("c",), n=50)))
    assert board.read_bytes() == before
    assert visible(board.parent) == [board.name, "reports"]
    assert visible(board.parent / "reports") == ["results.csv", "runs.csv"]


def test_marking_takes_nothing_back(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process writes while this one waits for the lock stays."""
    old, lock = read(board), leaderboard.FileLock

    def late(*args: object, **options: object) -> object:
        monkeypatch.setattr(leaderboard, "FileLock", lock)
        merge(board, [{**old[3], "robust": 7}])
        return lock(*args, **options)

    monkeypatch.setattr(leaderboard, "FileLock", late)
    leaderboard.mark(board, {(old[3]["weights"], old[3]["data"]): "upper_bound(full)"})
    new = read(board)
    assert (new[3]["robust"], new[3]["audit"]) == (7, "upper_bound(full)")
    others = [
        (row, before) for row, before in zip(new, old, strict=True) if row["weights"] != old[3]["weights"]
    ]
    assert all(row == before for row, before in others)
    unmarked = {"audit": "", "stronger": "", "robust": 0}
    assert [{**row, **unmarked} for row in new] == [{**row, **unmarked} for row in old]


def test_marking_makes_no_leaderboard(tmp_path: Path) -> None:
    leaderboard.mark(tmp_path / "l.csv", {("w", "d"): "believable"})
    assert os.listdir(tmp_path) == []


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    """Also where each has another place for temporary files, as in containers and batch jobs."""
    path = tmp_path / "l.csv"
    code = (
        "import sys\nfrom pathlib import Path\nfrom bench.leaderboard.file import merge\n"
        "from bench.studies.robustness.rows import rows\n"
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
    assert visible(tmp_path) == ["a", "b", "l.csv", "reports"]


@pytest.mark.parametrize("fault", [NotImplementedError("no flock"), OSError(37, "No locks available")])
def test_a_folder_whose_locks_are_refused_is_said_before_measuring(
    fault: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(disk, "FileLock", refused)
    with pytest.raises(UsageError, match=r"(refuses locks|No locks available).*give a --leaderboard FILE"):
        leaderboard.check_writable(tmp_path / "leaderboard.csv")
    assert list(tmp_path.iterdir()) == []


def test_files_that_stay_the_same_are_left_alone(board: Path) -> None:
    files = [board, *(board.parent / "reports").iterdir()]

    def states() -> list[tuple[int, int]]:
        return [(file.stat().st_ino, file.stat().st_mtime_ns) for file in files]

    before, known = states(), read(board)
    assert len(files) == 3
    merge(board, known)
    leaderboard.mark(board, {})
    assert states() == before
    changed = {"robust": known[0]["robust"] - 1, "robust_acc": 0.5, "digest": "other"}
    merge(board, [{**known[0], **changed}])
    assert board.stat().st_ino != before[0][0]


def test_rows_and_verdicts_in_one_pass_are_those_of_two(board: Path, tmp_path: Path) -> None:
    new = rows(make_results(models=("a", "c"), n=50, seed=3))
    verdicts = {(row["weights"], row["data"]): "upper_bound(full)" for row in read(board)[:1]}
    other = tmp_path / "other.csv"
    merge(other, read(board))
    merge(board, new, None, verdicts)
    leaderboard.mark(other, verdicts)
    merge(other, new)
    leaderboard.mark(other, verdicts)
    assert read(board) == read(other)
    assert board.read_bytes() == other.read_bytes()
    assert "upper_bound(full)" in {row["audit"] for row in read(board)}
