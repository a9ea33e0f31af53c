"""bench certify: rows, page, resume, refusals, and a certificate above an attack."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bench.errors import UsageError
from bench.inputs.model_info import ModelInfo
from bench.leaderboard import table_file
from bench.numbers.stats import wilson
from bench.studies.certify.curves import band
from bench.studies.certify.figures import draw_certificates
from bench.studies.certify.lead import lead_of
from bench.studies.certify.options import WRONG, CertifyOptions, parse_options
from bench.studies.certify.page import write_certify_page
from bench.studies.certify.results import CertifyResult, CertifyResults, CertifySetting, Orbit
from bench.studies.certify.rows import COLUMNS, IDENTITY, certificate_rows
from bench.studies.clever import parse_options as parse_clever
from bench.studies.clever.results import CleverSetting
from tests.own import call

Capture = pytest.CaptureFixture[str]
VIOLATED = "var(--wrong)"  # colour of its mark
SMOOTH = (
    *("certify", "--method", "smoothing", "--samples", 200, "--n", 3, "--workers", 1),
    *("--model", "baseline_cnn_4", "--sigma", 0.1),
)


def options(**changes: Any) -> CertifyOptions:
    return parse_options(image_shape=(1, 16, 16), **changes)


def made(*models: CertifyResult, **changes: Any) -> CertifyResults:
    common = {"dataset": "digits", "data": "ab", "n": 4, "protocol": "sound/1", "backend": "cpu"}
    chosen = options(**changes)
    clever = CleverSetting(**common, options=parse_clever(image_shape=(1, 16, 16), norm=chosen.norm))
    setting = CertifySetting(**common, pixels=256, options=chosen, clever=clever)
    return CertifyResults(setting=setting, models=models, versions={"torch": "2"}, command="bench certify")


def result(name: str = "m", **changes: Any) -> CertifyResult:
    """Four images: certified and attacked, certified and unbroken, not certified, wrong."""
    values: dict[str, Any] = {
        "info": ModelInfo(name=name, weights=name, trained_on="t", parameters=1, origin="zoo"),
        "label": np.arange(4),
        "right": np.array([True, True, True, False]),
        "abstained": np.zeros(4, dtype=bool),
        "radii": {
            "ibp": np.array([0.02, 0.05, 0.0, 0.0]),
            "lipschitz": np.array([0.01, 0.001, 0.0, 0.0]),
        },
        "attack": np.array([0.06, np.nan, 0.04, 0.0]),
        "clever": np.array([0.05, 0.04, 0.045, 0.0]),
        "bound": np.array([8.0, 8.0, 8.0, 8.0]),
        "estimate": np.array([2.0, 4.0, 1.0, np.nan]),
        "orbit": None,
        "seconds": 1.0,
        "digest": "d",
    }
    return CertifyResult(**{**values, **changes})


def test_certified_and_standing_bracket_the_truth() -> None:
    model = result()
    assert model.certified("ibp", 0.02) == wilson(2, 4)
    assert model.certified("ibp", 0.05) == wilson(1, 4)
    assert model.certified("lipschitz", 0.02) == wilson(0, 4)
    assert model.standing(0.05) == wilson(2, 4)
    assert model.standing(0.06) == wilson(1, 4)
    assert list(model.violations()) == []
    assert (model.estimates_above, model.estimates_below) == (1, 1)
    assert model.best == pytest.approx([0.02, 0.05, 0, 0])


def test_the_band_between_certificates_and_attacks_in_closed_form() -> None:
    radius, certified, standing = band(result(), 0.1)
    assert radius.tolist() == [0.0, 0.02, 0.04, 0.05, 0.06, 0.1]
    # just above each radius; images are certified to 0.02, 0.05 and 0, and changed at 0.06, never and at 0.04
    assert certified.tolist() == [0.5, 0.25, 0.25, 0.0, 0.0, 0.0]
    assert standing.tolist() == [0.75, 0.75, 0.5, 0.5, 0.25, 0.25]
    assert result().proven(0.02) == wilson(2, 4)
    assert result().proven(0.021) == wilson(1, 4)


def test_a_certificate_at_or_above_an_attack_is_found(tmp_path: Path) -> None:
    bad = result("bad", attack=np.array([0.02, np.nan, 0.04, 0.0]))
    (found,) = bad.violations()
    assert (found.method, found.image, found.radius, found.attack) == ("ibp", 0, 0.02, 0.02)
    text = write_certify_page(made(result(), bad), (), tmp_path).read_text("utf-8")
    assert (
        "1 certificate above a verified attack: one of the two is wrong, which is a bug in symbench" in text
    )
    assert "bad, image 0: certificate 0.02 of ibp, but a verified attack of size 0.02" in text
    rows = [row for row in certificate_rows(made(result(), bad)) if row["violations"]]
    assert {(row["model"], row["method"], row["violations"]) for row in rows} == {("bad", "ibp", 1)}
    good = write_certify_page(made(result()), (), tmp_path).read_text("utf-8")
    assert "0 violations in 4 pairs of a certificate and an attack on the same image" in good
    assert "a bug in symbench" not in good


def test_only_a_violation_is_marked_as_one_in_the_figure() -> None:
    """Two logits that are equal up to rounding: right in one batch, broken by an attack of size 0 in another."""

    def drawn(model: CertifyResult) -> str:
        (svg,), _ = draw_certificates([model], made().setting, "digits")
        return svg

    tied = result(attack=np.array([0.06, np.nan, 0.0, 0.0]), clever=np.array([0.05, 0.04, 0.0, 0.0]))
    assert not any(tied.violations())
    assert VIOLATED not in drawn(tied)
    assert VIOLATED in drawn(result(attack=np.array([0.02, np.nan, 0.04, 0.0])))


def test_an_abstention_is_not_right_and_stands_until_an_attack_breaks_it() -> None:
    """Image 1 is abstained on and unbroken, image 2 abstained on and broken at 0.04."""
    doubtful = np.array([False, True, True, False])
    certified = np.array([0.02, 0.0, 0.0, 0.0])
    model = result(right=~doubtful & result().right, abstained=doubtful, radii={"smoothing": certified})
    assert model.clean == wilson(1, 4)
    assert (model.certified("smoothing", 0.01), model.standing(0.01)) == (wilson(1, 4), wilson(3, 4))
    assert model.standing(0.05) == wilson(2, 4)
    radius, lower, upper = band(model, 0.1)
    assert radius.tolist() == [0.0, 0.02, 0.04, 0.06, 0.1]
    assert lower.tolist() == [0.25, 0.0, 0.0, 0.0, 0.0]
    assert upper.tolist() == [0.75, 0.75, 0.5, 0.25, 0.25]


def test_smoothing_may_be_violated_by_chance_and_more_often_it_is_a_fault(tmp_path: Path) -> None:
    def violated(count: int) -> CertifyResults:
        attack = np.where(np.arange(4) < count, 0.1, 0.4)
        model = result(right=np.ones(4, dtype=bool), radii={"smoothing": np.full(4, 0.3)}, attack=attack)
        return made(replace(model, clever=None, bound=None, estimate=None), method="smoothing", alpha=0.04)

    p = 0.04 + WRONG
    assert stats.binom.sf(2, 4, p) <= 0.001 < stats.binom.sf(1, 4, p)
    for count in range(5):
        found = violated(count)
        assert found.by_chance(found.models[0]) == 2
        assert len(found.violations()) == count
        assert len(found.faults()) == (count if count > 2 else 0)
    few, many = (write_certify_page(violated(k), (), tmp_path).read_text("utf-8") for k in (1, 3))
    assert "1 certificate above a verified attack, no more than chance explains" in few
    assert "more often than chance explains: one of the two is wrong, which is a bug" in many
    assert "a bug in symbench" not in few
    bounds = made(result(attack=np.array([0.02, np.nan, 0.04, 0.0])))
    assert bounds.faults() == bounds.violations() != ()


def test_pages_of_all_kinds_have_no_nan_and_escape_names(tmp_path: Path) -> None:
    wrong = {"right": np.zeros(4, dtype=bool), "radii": {"ibp": np.zeros(4)}, "attack": np.zeros(4)}
    nothing = result("nothing", **wrong)
    orbit = Orbit(same_class=wilson(3, 4), p=np.array([0.5, 0.2, 0.9, 1e-6]), spread=np.full(4, 0.1))
    smooth = result("<b>", radii={"smoothing": np.full(4, 0.3)}, attack=np.full(4, 0.4), orbit=orbit)
    smooth = replace(smooth, clever=None, bound=None, estimate=None)
    assert orbit.told_apart == wilson(1, 4)
    bounded, smoothed = made(result(), nothing), made(smooth, method="smoothing", orbit=True)
    for shown, other in ((made(), bounded), (bounded, smoothed), (smoothed, bounded)):
        text = write_certify_page(replace(shown, failed=("cell x",)), [other], tmp_path).read_text("utf-8")
        assert not re.search(r"\bnan\b", text)
        assert "<b>" not in text
        assert "cell x" in text
    assert "Quarter turns" in text
    sure = "keep their correct class, each with probability 0.999 at least, and attacks"
    assert sure in lead_of(made(smooth, method="smoothing", eps="0.1")).finding
    assert "probability" not in lead_of(bounded).finding


def test_rows_merge_by_what_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "certificates.csv"
    rows = certificate_rows(made(result()))
    assert len(rows) == 2 * len(options().radii)
    assert all(set(row) == set(COLUMNS) for row in rows)
    table_file.merge(path, rows, COLUMNS, IDENTITY)
    before = path.read_bytes()
    table_file.merge(path, rows, COLUMNS, IDENTITY)
    assert path.read_bytes() == before
    table_file.merge(path, [{**row, "certified": 99} for row in rows], COLUMNS, IDENTITY)
    table_file.merge(path, certificate_rows(made(result("other"))), COLUMNS, IDENTITY)
    with path.open(newline="") as table:
        found = list(csv.DictReader(table))
    assert len(found) == 2 * len(rows)
    assert {row["certified"] for row in found if row["model"] == "m"} == {"99"}
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="move it away"):
        table_file.merge(path, rows, COLUMNS, IDENTITY)


# the command


@pytest.fixture
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_elsewhere")
def test_smoothing_resumes_and_other_confidence_or_norm_measures_nothing(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.studies.certify import cells

    ran: list[str] = []
    for name, real in cells._MEASURES.items():
        monkeypatch.setitem(
            cells._MEASURES,
            name,
            lambda cell, subject, real=real: (ran.append(cell.attack), real(cell, subject))[1],
        )
    answer = call(capsys, *SMOOTH, "--orbit", "--json")
    assert answer.code == 0
    first = json.loads(answer.out)
    assert sorted(ran) == ["smoothed_attack", *["smoothing"] * 4]
    assert [row["index"] for row in first] == [0, 1, 2]
    # 200 votes of 200 give p = 0.001^(1/200)
    assert 0 < max(row["smoothing"] for row in first) <= 0.1 * 1.83
    assert all(row["attack"] is None or row["smoothing"] < row["attack"] for row in first)
    looser = json.loads(call(capsys, *SMOOTH, "--alpha", 0.1, "--json").out)
    assert all(a["smoothing"] >= b["smoothing"] for a, b in zip(looser, first, strict=True))
    box = json.loads(call(capsys, *SMOOTH, "--norm", "linf", "--json").out)
    for a, b in zip(box, first, strict=True):
        assert a["smoothing"] == pytest.approx(b["smoothing"] / 16)
    assert len(ran) == 5
    page = Path("reports/digits-smoothing.html")
    text = page.read_text("utf-8")
    assert "0 violations" in text
    assert "Other settings" in text
    with Path("reports/certificates.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert {(row["norm"], row["alpha"], row["sigma"], row["samples"]) for row in rows} == {
        *(("l2", alpha, "0.1", "200") for alpha in ("0.001", "0.1")),
        ("linf", "0.001", "0.1", "200"),
    }
    page.unlink()
    assert call(capsys, "report").code == 0
    assert page.read_text("utf-8").count("<details>") == text.count("<details>")


@pytest.mark.usefixtures("_elsewhere")
def test_each_method_has_a_page_and_smoothing_shows_every_noise(capsys: Capture) -> None:
    bounds = ("certify", "--model", "baseline_cnn_4.ibp", "--n", 3, "--workers", 1)
    louder = tuple(0.2 if word == 0.1 else word for word in SMOOTH)
    for words in (SMOOTH, bounds, (*louder, "--orbit"), (*SMOOTH, "--norm", "linf"), louder):
        assert call(capsys, *words).code == 0
    pages = [Path(f"reports/digits-{name}.html") for name in ("certify", "smoothing")]
    texts = [page.read_text("utf-8") for page in pages]
    assert [text.count('aria-label="Certified accuracy and accuracy under attack') for text in texts] == [
        1,
        2,
    ]
    assert "interval and Lipschitz bounds</text>" in texts[0]
    assert [f"σ = {sigma}</text>" in texts[1] for sigma in (0.1, 0.2)] == [True, True]
    largest = 0.2 * NormalDist().inv_cdf(0.001 ** (1 / 200))  # all of 200 votes are for one class
    assert f"the radius is {largest:.3f}, the largest" in texts[1]
    assert "Other settings" not in texts[0]
    assert "No model was measured" not in "".join(texts)
    for page in pages:
        page.unlink()
    answer = call(capsys, "report")
    assert [page.exists() for page in pages] == [True, True]
    assert "digits-certify.html" in answer.err + answer.out
    assert "digits-smoothing.html" in answer.err + answer.out


@pytest.mark.usefixtures("_elsewhere")
def test_bounds_stand_between_nothing_and_the_attack_and_a_violation_ends_with_1(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("certify", "--model", "baseline_cnn_4.ibp", "--n", 2, "--workers", 1)
    answer = call(capsys, *words, "--json")
    assert answer.code == 0
    for row in json.loads(answer.out):
        assert 0 < row["lipschitz"] < row["ibp"] < row["attack"]
        assert row["lipschitz_estimate"] < row["lipschitz_bound"]
    from bench.studies.certify import collect

    real = collect.joined

    def too_good(shards: Any, name: str) -> np.ndarray:
        found = real(shards, name)
        return found * 100 if name == "radius" else found

    monkeypatch.setattr(collect, "joined", too_good)
    answer = call(capsys, *words)
    assert answer.code == 1
    assert "fault of symbench: baseline_cnn_4.ibp, image 0: certificate" in answer.err


@pytest.mark.usefixtures("_elsewhere")
@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        ({"--method": "crown"}, "unknown --method 'crown'"),
        ({"--norm": "l1"}, "unknown --norm 'l1'"),
        ({"--sigma": 0.1}, "--sigma is of --method smoothing"),
        ({"--method": "smoothing", "--sigma": 0}, "--sigma is 0.0; it must be a finite number above 0"),
        ({"--method": "smoothing", "--sigma": "nan"}, "--sigma is nan"),
        ({"--method": "smoothing", "--alpha": 0.5}, "above 0 and below 0.5"),
        ({"--method": "smoothing", "--preset": "cohen"}, "nearest: cohen2019"),
        ({"--method": "smoothing", "--preset": "cohen2019", "--samples": 5}, "leave out --samples"),
        ({"--eps": "x"}, "--eps has 'x'"),
    ],
)
def test_refusals(capsys: Capture, words: Mapping[str, Any], fragment: str) -> None:
    flat = [part for pair in words.items() for part in pair]
    answer = call(capsys, "certify", "--model", "baseline_cnn_4", "--n", 2, *flat)
    assert (answer.code, answer.out) == (2, "")
    assert fragment in answer.err
    assert len(answer.err.splitlines()) == 1


@pytest.mark.usefixtures("_elsewhere")
def test_a_layer_without_bounds_is_refused_and_smoothing_takes_it(capsys: Capture) -> None:
    Path("own.py").write_text(
        "from torch import nn\n"
        "def gelu():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(256, 16), nn.GELU(), nn.Linear(16, 10))\n"
        "def relu():\n"
        "    layers = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()\n"
        "    return nn.Sequential(*layers, nn.Linear(256, 10))\n"
        "def unfit():\n"
        "    return nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False), nn.Flatten(), nn.Linear(256, 10))\n"
    )
    words = ("certify", "--model", "own.py:gelu", "--n", 2, "--workers", 1)
    normalised = ("--mean", 0.1307, "--std", 0.3081)
    answer = call(capsys, *words)
    assert answer.code == 2
    assert "GELU" in answer.err
    assert "use --method smoothing" in answer.err
    assert call(capsys, *words, "--method", "smoothing", "--samples", 100).code == 0
    assert call(capsys, "certify", "--model", "own.py:relu", "--n", 2, "--workers", 1, *normalised).code == 0
    answer = call(capsys, "certify", "--model", "own.py:unfit", "--n", 2, "--workers", 1)
    assert (answer.code, "batch norm without running statistics" in answer.err) == (2, True)


def test_the_preset_is_the_published_number() -> None:
    assert options(method="smoothing", preset="cohen2019").samples == 100_000
    assert (options(method="smoothing").selection, options(method="smoothing").samples) == (100, 10_000)
    assert (options().norm, options(method="smoothing").norm) == ("linf", "l2")
