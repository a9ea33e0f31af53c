"""The paper's numbers: all there, each with its place, and consistent with each other where they should be."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from importlib import resources

import numpy as np
import pytest

from bench.studies.paper import SECTIONS, needed, numbers, printed_means, source, statements
from bench.studies.paper.published import MEAN, NUMBERS, STATEMENTS
from bench.studies.paper.sections import DATASETS, attack_of, numbers_of, remedy, statements_of
from zoo.cifar10c import NAMES
from zoo.entries import ENTRIES

# sha256 of the data files: a printed number changes only on purpose
DIGESTS = {
    "figure1": "29a1bf2de463594420e0a14d1e80a14d18d368a872687f6850d1f9ea7957444b",
    "figure2": "84da4ddbec1d95aa6068c1553cd042b5e3359dc52fca1a78953cc52dda384f76",
    "figure5": "f4cecb418a5a40132c441a9a2d4a09da80084c25bfe24f8ac09afb066193ffbf",
    "figure6": "3a4c27b4121d4ae321a353dd2ab63645d6c2f7ae21db2aee2c4fbf9d06d456d6",
    "table1": "47773c3c6c47369dd2de726078ccc81af3c74509bf7525d09cba57ea0f2dfb2d",
    "table1_mean": "c950007fd5fd23976017f83df1b4ee797551201767a6cd59a022bdcc1c8476b3",
    "table2": "02e8f1b2eca73f5a5d7355b1c607f1cae55a46cee91ccc5f32f00ae4b53ce13f",
    "table3": "579d602b0e3f857665c11e1c282bd0f6ee7850fe43a0330983ebae65eac08031",
    "table4": "af80c90733ae59f219f6e1aa306d52832958f5880e9a7a9a1adc4094481a464b",
    "text_numbers": "1c67b6d4b3e56f956e9018dd04e6543bc28bd178b29785b07b35406184a24c1c",
    "text_statements": "413952386a264d46524d096818262bef22eaf2f796a340c6148f23065e33d441",
}


def value(table: str, dataset: str, model: str, attack: str, eps: float, layers: int | None = 10) -> float:
    found = [
        row.accuracy
        for row in numbers()
        if (row.table, row.dataset, row.model, row.attack, row.eps, row.layers)
        == (table, dataset, model, attack, eps, layers)
    ]
    (only,) = found
    return only


def test_every_number_is_there():
    assert Counter(row.file for row in (*numbers(), *statements())) == {
        "table1": 19 * 5 * 4,
        "table1_mean": 5 * 4,
        "table2": 2 * 2 * 4,
        "table3": 2 * 2 * 4,
        "table4": 2 * 2 * 5,
        "figure1": 5 * 2 * 2 * 15,
        "figure2": 5 * 2 * 2 * 15,
        "figure6": 4 * 2 * 4,
        "text_numbers": 9,
        "figure5": 4,
        "text_statements": 7,
    }
    places = [(row.file, row.line) for row in (*numbers(), *statements())]
    assert len(set(places)) == len(places)
    points = [(r.table, r.dataset, r.model, r.layers, r.corruption, r.attack, r.eps) for r in numbers()]
    assert len(set(points)) == len(points)


def test_numbers_as_the_paper_prints_them():
    assert value("table2", "cifar10", "fully_equivariant_gcnn", "pgd", 0.10) == pytest.approx(0.1246)
    assert value("table3", "cifar100", "fully_equivariant_gcnn", "fgsm", 0.05, 4) == pytest.approx(0.2206)
    assert value("table4", "cifar10", "cnn_pgd_at", "pgd", 0.05, None) == pytest.approx(0.421)
    glass = [r for r in numbers() if r.corruption == "glass_blur" and r.model == "parallel_gcnn"]
    assert [100 * row.accuracy for row in glass] == pytest.approx([10.70, 2.29, 0.48, 0.11])
    stds = [row for row in numbers() if row.std is not None]
    assert {row.corruption for row in stds} == {MEAN}
    assert max(100 * (row.std or 0) for row in stds) == pytest.approx(3.82)


def test_a_row_has_one_section_and_a_model_of_the_zoo():
    for row in numbers():
        assert row.name in ENTRIES
        assert 0 <= row.accuracy <= 1
        assert row.dataset in DATASETS
        assert attack_of(row) in ("fgsm", "pgd")
    shown = [row for each in SECTIONS for row in (*numbers_of(each), *statements_of(each))]
    assert Counter((r.file, r.line) for r in shown) == Counter(
        (r.file, r.line) for r in (*numbers(), *statements())
    )


def test_numbers_printed_twice_are_equal():
    by_point = defaultdict(set)
    for row in numbers():
        if row.table != "table1_mean":
            point = (row.dataset, row.name, row.corruption, row.attack, row.eps)
            by_point[point].add(round(row.accuracy, 6))
    twice = [row for row in numbers() if row.table in ("text_app_F2", "text_sec_6.2", "figure6")]
    for row in twice:
        if row.model != "parallel_gcnn_scale":  # which is in no other figure
            assert len(by_point[row.dataset, row.name, "", row.attack, row.eps]) == 1, row
    # the arm "Rot" of the ablation is the Parallel GCNN of Figure 2
    for eps, printed in zip((0.01, 0.02, 0.03, 0.04), (24.72, 13.16, 7.07, 3.81), strict=True):
        assert value("figure2", "cifar100", "parallel_gcnn", "pgd", eps) == pytest.approx(printed / 100)


def test_which_means_of_table_1_match():
    means = printed_means()
    assert len(means) == 20
    differing = {(each.model, each.eps) for each in means if not each.mean_matches}
    assert differing == {
        ("cascaded_gcnn", 0.01),
        ("parallel_gcnn", 0.04),
        ("parallel_gcnn_rs", 0.01),
        ("weighted_gcnn_rs", 0.01),
        ("weighted_gcnn_rs", 0.02),
    }
    baseline = [each for each in means if each.model == "baseline_cnn"]
    assert all(each.mean_matches and each.std_matches for each in baseline)
    assert 100 * baseline[0].spread == pytest.approx(2.6346, abs=1e-4)
    assert sum(each.std_matches for each in means) == 11
    far = {(each.model, each.eps) for each in means if not each.mean_near}
    assert far == differing - {("parallel_gcnn", 0.04), ("weighted_gcnn_rs", 0.02)}  # two are rounding
    assert {(each.model, each.eps) for each in means if not each.std_near} == {
        ("cascaded_gcnn", 0.01),
        ("weighted_gcnn_rs", 0.01),
    }


def test_parallel_is_best_in_19_of_19_then_12():
    for eps, wins in zip((0.01, 0.02, 0.03, 0.04), (19, 19, 19, 12), strict=True):
        table: dict[str, dict[str, float]] = defaultdict(dict)
        for row in numbers():
            if row.table == "table1" and row.eps == eps:
                table[row.corruption][row.model] = row.accuracy
        best = [max(models, key=lambda name: models[name]) for models in table.values()]
        assert best.count("parallel_gcnn") == wins


def test_corruptions_are_those_of_cifar10c():
    assert {row.corruption for row in numbers() if row.table == "table1"} == set(NAMES)


@pytest.mark.parametrize("file", sorted(DIGESTS))
def test_the_files_are_as_they_were_checked(file: str):
    content = (resources.files("bench.studies.paper") / "published" / f"{file}.csv").read_bytes()
    assert hashlib.sha256(content).hexdigest() == DIGESTS[file]


def test_all_files_are_pinned():
    assert set(DIGESTS) == {*NUMBERS, *STATEMENTS}
    files = (resources.files("bench.studies.paper") / "published").iterdir()
    assert {f"{file}.csv" for file in DIGESTS} == {file.name for file in files if file.name.endswith(".csv")}


def test_every_file_says_where_it_is_from():
    for file in (*NUMBERS, *STATEMENTS):
        assert source(file).startswith("arXiv 2510.16171v3, ")


def test_what_a_section_needs():
    assert needed("table4").models == ("baseline_cnn.pgd_at", "equivariant_gcnn")
    assert needed("table4").eps == (0.01, 0.02, 0.03, 0.04, 0.05)
    assert needed("figure2").eps == tuple(np.arange(1, 16) / 100)
    assert needed("table1").attacks == ("pgd",)
    assert needed("figure5").models == ("baseline_cnn", "parallel_gcnn")
    assert needed("figure5").eps == ()


def test_commands():
    assert remedy(["table3"], "cifar100") == (
        "for m in equivariant_gcnn_4 equivariant_gcnn; do bench train $m --dataset cifar100 --download; done && "
        "bench reproduce --table 3 --dataset cifar100 --download --budget full"
    )
    assert remedy(["table4"], "cifar10") == (
        "bench reproduce --table 4 --dataset cifar10 --download --budget full"
    )
    assert remedy(["figure1", "figure2"], "cifar10", "--dataset d") == (
        "bench reproduce --all --dataset d --budget full"
    )
