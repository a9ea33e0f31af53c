"""Corruption errors: the published definitions on numbers worked out by hand, and where they are shown."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from bench.leaderboard import file as leaderboard
from bench.numbers.groups import GroupTable
from bench.studies.robustness.corruption_errors import corruption_errors, find_baseline
from tests.own import call
from zoo.cifar10c import BENCHMARK, NAMES


def table(accuracy: dict[str, float], names: tuple[str, ...] = NAMES) -> GroupTable:
    cells = np.array([[accuracy.get(name, 0.5)] * 5 for name in names])
    return GroupTable(names=names, images=10, cells=cells, lo=0, hi=1)


def test_the_benchmark_is_the_15_corruptions_of_the_paper() -> None:
    assert set(NAMES) - set(BENCHMARK) == {"gaussian_blur", "saturate", "spatter", "speckle_noise"}
    assert len(BENCHMARK) == 15


def test_ratios_of_sums_and_their_means() -> None:
    # errors 0.4 against 0.5 but for fog: 0.8 against 0.5; what the extras are does not count
    model = table(dict.fromkeys(NAMES, 0.6) | {"fog": 0.2, "spatter": 0.0})
    found = corruption_errors(model, table({}), 0.9, 0.8, "base")
    assert found.mce == pytest.approx((14 * 0.8 + 1.6) / 15)
    assert found.relative_mce == pytest.approx((14 * 0.3 / 0.3 + 0.7 / 0.3) / 15)
    assert found.ratios[NAMES.index("spatter")] == pytest.approx(2)


def test_severities_are_summed_before_they_are_divided() -> None:
    model, base = table({}), table({})
    model.cells[:] = 1 - np.array([0.1, 0.1, 0.1, 0.1, 0.6])
    base.cells[:] = 1 - np.array([0.1, 0.2, 0.3, 0.4, 1.0])
    assert corruption_errors(model, base, 1, 1, "base").mce == pytest.approx(0.5)


def test_the_baseline_has_one() -> None:
    base = table({"fog": 0.3})
    found = corruption_errors(base, base, 0.9, 0.9, "base")
    assert (found.mce, found.relative_mce) == (pytest.approx(1), pytest.approx(1))


def test_what_is_not_defined_is_named() -> None:
    found = corruption_errors(table({}), table({"fog": 1.0, "snow": 0.8, "saturate": 1.0}), 0.9, 0.8, "base")
    assert math.isnan(found.mce)
    assert math.isnan(found.relative_mce)
    assert (found.undefined, found.undefined_relative) == (("fog",), ("snow", "fog"))
    assert len(corruption_errors(table({}), table({}), math.nan, 0.8, "b").undefined_relative) == 15


def test_no_mean_without_the_whole_benchmark() -> None:
    with pytest.raises(ValueError, match="15 corruptions"):
        corruption_errors(table({}, NAMES[1:]), table({}, NAMES[1:]), 1, 1, "base")


def test_the_baseline_is_the_one_wanted_or_the_zoos() -> None:
    names = ["equivariant_gcnn_4", "baseline_cnn_4"]
    assert find_baseline(names) == "baseline_cnn_4"
    assert find_baseline(names, "equivariant_gcnn_4") == "equivariant_gcnn_4"
    assert find_baseline(names[:1]) is None


def test_rows_and_page_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = ("run", "--zoo", "baseline_cnn_4", "--attacks", "fgsm", "--eps", "0.1", "--workers", 1)
    refused = call(capsys, *run, "--dataset", "corrupted:digits:fog", "--mce-baseline", "baseline_cnn_4")
    assert refused.code == 2
    assert "there is no mCE" in refused.err
    refused = call(capsys, *run, "--dataset", "corrupted:digits", "--mce-baseline", "other")
    assert refused.code == 2
    assert "which is not among the models of this run (baseline_cnn_4)" in refused.err
    assert call(capsys, *run, "--dataset", "corrupted:digits", "--n", 90).code == 0
    (row,) = leaderboard.read(Path("leaderboard.csv"))
    assert row["mce_baseline"] == "baseline_cnn_4"
    assert row["mce"] in (None, 1.0)
    page = Path("reports/corrupted-digits-corruptions.html").read_text()
    assert "In percent of the errors of <b>baseline_cnn_4</b>" in page
    assert "speckle_noise, gaussian_blur, spatter stand beside them" in page
    assert call(capsys, "report").code == 0
    assert Path("reports/corrupted-digits-corruptions.html").read_text() == page
