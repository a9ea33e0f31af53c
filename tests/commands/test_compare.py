"""Pairs of models on constructed arrays, and ``bench compare`` on a store with real measurements in it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.commands.cli import main
from bench.engine.store import DirectoryStore
from bench.numbers.paired import paired_difference
from bench.numbers.stats import holm, mcnemar, paired_sign_flip, wilson
from bench.studies.robustness.comparing import ComparedResults, find_measured, means, pairs, shown_name
from tests.factory import make_results
from tests.own import call, write_models

Capture = pytest.CaptureFixture[str]
N = 100
EPS = (0.05, 0.1)


def first(*counts: int) -> np.ndarray:
    """A row a count: the first of the images stand."""
    return np.arange(N) < np.array(counts)[:, None]


def measured(**standing: np.ndarray) -> ComparedResults:
    clean = {name: first(95)[0] for name in standing}
    return ComparedResults(
        setting=make_results(models=(), n=N, eps=EPS).setting,
        names=tuple(standing),
        attacks=("fgsm", "pgd"),
        eps=EPS,
        clean=tuple(clean.values()),
        standing=tuple(standing.values()),
    )


def test_every_two_models_are_compared_clean_and_at_every_eps() -> None:
    found = pairs(measured(a=first(60, 40), b=first(60, 39), c=first(50, 10)))
    assert [(each.a, each.b, each.attacks, each.eps) for each in found] == [
        (a, b, attacks, eps)
        for a, b in (("a", "b"), ("a", "c"), ("b", "c"))
        for attacks, eps in (((), None), (("fgsm", "pgd"), 0.05), (("fgsm", "pgd"), 0.1))
    ]
    at = found[4]
    assert (at.of_a, at.of_b) == (wilson(60, N), wilson(50, N))
    assert at.difference == paired_difference(first(60)[0], first(50)[0])
    assert at.p == mcnemar(first(60)[0], first(50)[0]) == 2.0**-9


def test_verdicts_are_holms_over_all_pairs_and_eps() -> None:
    """p = 2⁻⁵ = 0.031 is significant alone, and not among three tests."""
    a, b = first(56, 40), first(50, 40)
    found = pairs(measured(a=a, b=b))
    assert [each.p for each in found] == [1.0, 2.0**-5, 1.0]
    assert [each.p_holm for each in found] == holm([1.0, 2.0**-5, 1.0]).tolist()
    assert {each.verdict for each in found} == {"undecided"}
    strong = pairs(measured(a=first(50, 10), b=first(60, 40), c=first(60, 40)))
    assert [each.verdict for each in strong] == [
        *("undecided", "b more robust", "b more robust"),
        *("undecided", "c more robust", "c more robust"),
        *("undecided", "undecided", "undecided"),
    ]


def test_clean_images_make_a_model_more_accurate() -> None:
    one = measured(a=first(50, 10), b=first(50, 10))
    (clean, *_) = pairs(
        ComparedResults(
            setting=one.setting,
            names=one.names,
            attacks=one.attacks,
            eps=one.eps,
            clean=(first(60)[0], first(90)[0]),
            standing=one.standing,
        )
    )
    assert clean.verdict == "b more accurate"


def test_the_mean_over_eps_is_compared_by_the_test_of_the_ranks() -> None:
    one = measured(a=first(60, 40), b=first(54, 36), c=first(54, 36))
    found = means(one)
    assert [(each.a, each.b) for each in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    counts = [each.sum(0) for each in one.standing]
    p = [paired_sign_flip(counts[0], counts[1])] * 2 + [1.0]
    assert p[0] == 2.0**-9  # ten images, each one ε further, all of one sign
    assert [each.p for each in found] == p
    assert [each.p_holm for each in found] == holm(p).tolist()
    assert found[0].difference.value == pytest.approx(0.05)
    assert [each.verdict for each in found] == ["a more robust", "a more robust", "undecided"]
    assert {each.verdict for each in pairs(one)} == {"undecided"}  # no single ε shows it
    assert (
        means(dataclasses.replace(one, eps=EPS[:1], standing=tuple(each[:1] for each in one.standing))) == ()
    )


def test_names_of_files_lose_their_path() -> None:
    assert shown_name("models/own.py:net") == "own:net"
    assert shown_name("own:net") == "own:net"
    assert shown_name("baseline_cnn.pgd_at@1 (1a2b3c4d)") == "baseline_cnn.pgd_at@1 (1a2b3c4d)"


RUN = ("run", "--workers", 1)
PAIR = ("baseline_cnn_4", "equivariant_gcnn_4")
BOTH = ",".join(PAIR)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with a store that was requested three settings; pages are not drawn."""
    folder = tmp_path_factory.mktemp("compared")
    write_models(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("bench.studies.attacked.study.write_page", lambda *_: None)
        for words in (
            ("--n", 50, "--eps", "0.02,0.05", "--steps", 2, "--attacks", "fgsm,pgd,spatial_random",
             "--model", f"own.py:doubled,{BOTH}"),
            ("--n", 40, "--eps", 0.05, "--attacks", "fgsm", "--model", BOTH),
            ("--n", 30, "--eps", 0.05, "--attacks", "fgsm", "--model", "own.py:net,baseline_cnn_4"),
        ):  # fmt: skip
            assert main([str(word) for word in (*RUN, *words)]) == 0
        yield folder


@pytest.fixture(autouse=True)
def _there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


@pytest.mark.parametrize(
    ("words", "n"),
    [
        (PAIR, 40),
        ((*PAIR, "own:doubled"), 50),
        ((*PAIR, "--attack", "pgd"), 50),
        ((*PAIR, "--eps", "0.02"), 50),
        (("somewhere/own.py:net", "baseline_cnn_4"), 30),
    ],
)
def test_the_newest_setting_that_has_all_that_is_asked(
    words: tuple[str, ...], n: int, capsys: Capture
) -> None:
    assert {row["n"] for row in json.loads(call(capsys, "compare", *words, "--json").out)} == {n}


def test_json_rows_are_computed_from_the_stored_images(capsys: Capture) -> None:
    rows = json.loads(call(capsys, "compare", "own:doubled", *PAIR, "--json").out)
    assert len(rows) == 3 * 3
    assert {tuple(row["attacks"]) for row in rows} == {(), ("fgsm", "pgd (steps 2)")}
    found = find_measured(DirectoryStore(Path(".symbench")), ["own:doubled", *PAIR])
    assert found is not None
    a, b = found.standing[0][1], found.standing[2][1]
    (row,) = [r for r in rows if (r["a"], r["b"], r["eps"]) == ("own:doubled", PAIR[1], 0.05)]
    assert (row["only_a"], row["only_b"]) == ((a & ~b).sum(), (b & ~a).sum())
    assert row["difference"] == a.mean() - b.mean() < 0
    assert row["p"] == mcnemar(a, b)
    assert row["difference_lo"] <= row["difference"] <= row["difference_hi"] < 0
    assert row["verdict"] == f"{PAIR[1]} more robust"
    assert [r["verdict"] for r in rows if r["eps"] is None][:2] == [f"{name} more accurate" for name in PAIR]


def test_worst_is_an_and_over_the_attacks(capsys: Capture) -> None:
    store = DirectoryStore(Path(".symbench"))
    names = ["own:doubled", *PAIR]
    worst, fgsm, pgd = (find_measured(store, names, attack=name) for name in ("worst", "fgsm", "pgd"))
    assert worst is not None
    assert fgsm is not None
    assert pgd is not None
    for joint, one, other in zip(worst.standing, fgsm.standing, pgd.standing, strict=True):
        assert np.array_equal(joint, one & other)
    assert worst.attacks == ("fgsm", "pgd (steps 2)")


def test_spatial_attacks_are_compared_by_name_alone(capsys: Capture) -> None:
    rows = json.loads(call(capsys, "compare", *PAIR, "--attack", "spatial_random", "--json").out)
    assert [(row["attacks"], row["eps"], row["norm"]) for row in rows] == [
        ([], None, None),
        (["spatial_random"], None, None),
    ]


def test_the_table_says_everything(capsys: Capture) -> None:
    answer = call(capsys, "compare", "own:doubled", *PAIR)
    assert answer.code == 0
    for text in (
        "fgsm, pgd (steps 2)",
        "n = 50",
        "clean",
        "ε 0.02",
        "ε 0.05",
        "baseline_cnn_4 more robust",
        "all 9 tests",
        "in the mean over ε 0.02, 0.05",
        "Holm over the 3 pairs shown",
    ):
        assert text in " ".join(answer.out.split())


REFUSED = {
    "one model": (("baseline_cnn_4",), ("two different models",)),
    "the same twice": (("a.py:net", "a:net"), ("two different models",)),
    "not measured": ((*PAIR, "cascaded_gcnn"), (".symbench", f"bench run --model {BOTH},cascaded_gcnn")),
    "not under that attack": ((*PAIR, "--attack", "square"), ("--attacks square",)),
    "not at that eps": ((*PAIR, "--eps", "0.5"), ("--eps 0.5",)),
    "not on those images": ((*PAIR, "--dataset", "cifar10"), ("--dataset cifar10",)),
    "unknown attack": ((*PAIR, "--attack", "pdg"), ("unknown attack 'pdg'", "nearest: pgd")),
    "a set of attacks": ((*PAIR, "--attack", "strong"), ("unknown attack 'strong'",)),
    "other parameters": (
        (*PAIR, "--attack", "pgd (steps 9, restarts 3, no random start, best iterate)"),
        ("--attacks pgd --steps 9 --restarts 3 --no-random-start --best-iterate",),
    ),
    "unknown images": ((*PAIR, "--dataset", "digitz"), ("no data set 'digitz'", "nearest: digits")),
    "no store": ((*PAIR, "--store", "nowhere"), ("--store nowhere",)),
    "eps no number": ((*PAIR, "--eps", "big"), ("'big'",)),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_compared_is_refused(case: str, capsys: Capture) -> None:
    words, fragments = REFUSED[case]
    answer = call(capsys, "compare", *words)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert not [fragment for fragment in fragments if fragment not in answer.err], answer.err
    assert not Path("nowhere").exists()


def test_a_name_of_several_weights_is_refused_with_both(capsys: Capture) -> None:
    own = Path("own.py")
    own.write_text(own.read_text() + "\n# other code, and so other weights\n")
    words = ("--n", 30, "--eps", 0.05, "--attacks", "fgsm", "--model", "own.py:net")
    assert call(capsys, *RUN, *words).code == 0
    answer = call(capsys, "compare", "own.py:net", "baseline_cnn_4")
    assert answer.code == 2
    first_name, second_name = (
        answer.err.partition("name one of them: ")[2].strip().replace("'", "").split(", ")
    )
    rows = json.loads(call(capsys, "compare", first_name, second_name, "--json").out)
    assert [(row["a"], row["b"], row["difference"]) for row in rows] == [(first_name, second_name, 0)] * 2


def test_an_attack_of_several_parameters_is_refused_with_both(capsys: Capture) -> None:
    words = ("--n", 20, "--eps", 0.05, "--attacks", "pgd", "--model", BOTH)
    for steps in (1, 2):
        assert call(capsys, *RUN, *words, "--steps", steps).code == 0
    answer = call(capsys, "compare", *PAIR, "--attack", "pgd")
    assert answer.code == 2
    assert "'pgd' was run with several parameters" in answer.err
    name = answer.err.partition("name one of them: '")[2].partition("'")[0]
    rows = json.loads(call(capsys, "compare", *PAIR, "--attack", name, "--json").out)
    assert rows[1]["attacks"] == [name]
