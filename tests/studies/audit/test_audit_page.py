"""The page's audit section and the marks beside names, on audits made by hand."""

from __future__ import annotations

import dataclasses
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from bench.numbers.stats import wilson
from bench.pages.format import VERDICTS
from bench.studies.attacked.screen import ranked_table
from bench.studies.audit import CHECKS
from bench.studies.audit.collect import AuditResults
from bench.studies.audit.figure import OUTCOMES, draw_audit
from bench.studies.audit.section import audit_blocks, by_kind, marks
from bench.studies.robustness.results import Results
from tests.audit_factory import flag, made, page, skip, undrawn, with_spatial, without_curves, words
from tests.factory import ZOO, make_results
from tests.studies.attacked.test_report import NASTY, tables


@pytest.fixture(scope="module")
def three() -> Results:
    return make_results(models=("good", "weak", "bad"), n=40, samples=1)


@pytest.fixture(scope="module")
def audits(three: Results) -> AuditResults:
    found = {
        "good": {"C20": flag("C20")},
        "weak": {"C8": flag("C8", "PGD is lost."), "C17": flag("C17")},
        "bad": {"C11": flag("C11", "3 stand.", range(15)), "C3": flag("C3"), "C6": flag("C6")},
    }
    return made(three, found)


@pytest.fixture(scope="module")
def audited(three: Results, audits: AuditResults, tmp_path_factory: pytest.TempPathFactory) -> str:
    return page(tmp_path_factory.mktemp("audited"), three, audits)


def test_every_flag_is_told_with_what_it_means_and_what_to_do(audits: AuditResults, audited: str) -> None:
    told = words(audited)
    flagged = [each for audit in audits.audits for each in audit.findings if each.status != "pass"]
    assert len(flagged) == 6
    for each in flagged:
        check = CHECKS[each.id]
        assert f"Does not hold: {check.title}. {each.detail}" in told
        assert f"What it means: {check.meaning} What to do: {check.remedy}" in told
    assert "3 stand. Images 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 …, 15 in all." in told


def test_fatal_flags_and_bad_models_come_first(audits: AuditResults) -> None:
    (block,) = audit_blocks([audits])
    assert [model.name for model in block.models] == ["bad", "weak", "good"]
    assert [flag.check.id for flag in block.models[0].flags] == ["C3", "C11", "C6"]
    kinds = [check.kind for check in block.checks]
    assert kinds == sorted(kinds, key=["fatal", "strength", "inform"].index)


def test_models_without_flags_share_a_line() -> None:
    results = make_results(models=("a", "b", "c"), n=20, samples=0)
    told = words(undrawn(results, made(results, {"a": {}, "b": {"C8": flag("C8")}, "c": {}})))
    assert "Without a flag: a, c." in told


def test_all_checks_are_listed_with_rule_and_source(audited: str) -> None:
    (rows,) = tables(audited, "checks")
    assert [row[0][0].split()[0] for row in rows[1:]] == [c.id for c in by_kind(list(CHECKS.values()))]
    for row in rows[1:]:
        check = CHECKS[row[0][0].split()[0]]
        assert (row[2][0], row[4][0]) == (check.rule, check.source)
        assert row[3][0] == ("–" if check.threshold is None else f"{check.threshold:g}")


def test_names_in_tables_carry_their_verdicts(audited: str) -> None:
    by_name = {
        row[1][0].split()[0]: row[1][0].split(maxsplit=1)[1:] for row in tables(audited, "headline")[0][1:]
    }
    assert by_name == {
        "good": ["✓ believable (quick)"],
        "weak": ["≤ upper bound (quick)"],
        "bad": ["✗ not believable (quick)"],
    }
    told = words(audited)
    assert "✓ believable: the quick audit in brackets found nothing that contradicts the numbers." in told
    assert "the numbers of 1 model cannot be believed (bad)" in told
    assert "bench audit to see" not in told
    reasons = re.findall(r'<a class="mark not-believable" href="#audit" title="([^"]*)"', audited)
    assert reasons
    assert all(CHECKS["C3"].title in reason and CHECKS["C6"].title not in reason for reason in reasons)


def test_marks_are_of_weights_on_data(three: Results, audits: AuditResults) -> None:
    elsewhere = dataclasses.replace(three, setting=dataclasses.replace(three.setting, data="0" * 64))
    told = undrawn(elsewhere, audits, others=(three,))
    here, there = tables(told, "headline")
    assert "believable" not in " ".join(text for row in here for text, _ in row)
    assert "✗ not believable" in " ".join(text for row in there for text, _ in row)


def test_a_page_without_audits_says_so_and_has_no_section(three: Results, tmp_path: Path) -> None:
    text = page(tmp_path, three)
    assert "Not audited: run bench audit" in words(text)
    assert 'id="audit"' not in text
    assert "#audit" not in text
    assert not list(tmp_path.glob("figures/*audit*"))


def test_models_that_were_not_audited_are_named_beside_those_that_were(three: Results) -> None:
    told = words(undrawn(three, made(three, {"good": {}, "bad": {"C3": flag("C3")}})))
    assert told.count("Not audited: weak.") == 2  # below the table and in the audit's section


def test_texts_of_audits_are_escaped(tmp_path: Path) -> None:
    results = make_results(models=(NASTY, "b"), n=20, samples=0)
    found = {NASTY: {"C3": flag("C3", NASTY), "C7": skip("C7", NASTY)}, "b": {}}
    audits = dataclasses.replace(made(results, found, "full"), command=NASTY, eps={NASTY: 0.05})
    text = page(tmp_path, results, audits)
    assert text.count("<script") == 1
    assert f"{NASTY} Image" not in words(text)
    assert f"Does not hold: {CHECKS['C3'].title}. {NASTY}" in words(text)
    assert f"C7 of {NASTY} – {NASTY}" in words(text)


def test_strength_and_what_was_not_looked_at(three: Results) -> None:
    gone = {"C18": skip("C18", "No surrogate.")}
    found = {"good": {**gone, "C29": skip("C29", "No symmetry.")}, "weak": gone, "bad": gone}
    told = words(undrawn(three, made(three, found, "full", good=0.05, weak=0.1, bad=0.05)))
    assert "ε = 0.05 for good, bad; ε = 0.1 for weak." in told
    assert "C18 – No surrogate." in told
    assert "C29 of good – No symmetry." in told


def test_audits_of_one_setting_share_a_block_and_others_have_their_own(
    three: Results, tmp_path: Path
) -> None:
    one, two = made(three, {"good": {}}), made(three, {"weak": {"C8": flag("C8")}})
    full = made(three, {"bad": {"C19": flag("C19")}}, "full")
    blocks = audit_blocks([one, two, full])
    assert [[model.name for model in block.models] for block in blocks] == [["weak", "good"], ["bad"]]
    assert blocks[0].commands == (one.command, two.command)
    text = page(tmp_path, three, one, two, full)
    assert all(command in text for command in (one.command, two.command, full.command))
    drawn = sorted(path.name for path in tmp_path.glob("figures/*audit*"))
    assert drawn == ["digits-audit-2.png", "digits-audit-2.svg", "digits-audit.png", "digits-audit.svg"]


def test_the_newest_verdict_on_weights_counts(three: Results) -> None:
    newest, older = made(three, {"bad": {}}, "full"), made(three, {"bad": {"C3": flag("C3")}})
    (mark,) = marks([newest, older]).values()
    assert (mark.verdict, mark.text) == ("believable", "✓ believable (full)")


@pytest.mark.parametrize("mode", ["quick", "full"])
@pytest.mark.parametrize("models", [("m",), ZOO], ids=["one", "zoo"])
def test_the_grid_has_a_cell_for_every_check_of_every_model(models: Sequence[str], mode: str) -> None:
    results = make_results(models=models, n=10, attacks=("fgsm",), samples=0)
    found = {name: {"C3": flag("C3"), "C8": flag("C8"), "C29": skip("C29", "None.")} for name in models}
    (block,) = audit_blocks([made(results, found, mode)])
    svg, files = draw_audit(block, "g")
    assert sorted(files) == ["g.png", "g.svg"]
    assert Image.open(io.BytesIO(files["g.png"])).size[0] > 900
    tree = ET.fromstring(files["g.svg"])
    texts = [e.text or "" for e in tree.iter() if e.tag.endswith("text")]
    assert texts.count("✗ not believable") == len(models)
    assert {check.id for check in block.checks} <= set(texts)
    assert {"fatal", "strength", "informs", *(outcome.about for outcome in OUTCOMES.values())} <= set(texts)
    uses = sum(e.tag.endswith("use") for e in tree.iter())  # a ground and a sign for each, and in the legend
    assert uses == 2 * (len(models) * len(block.checks) + len(OUTCOMES))
    assert len(svg) < 400_000
    assert svg.startswith("<svg")
    assert draw_audit(block, "g") == (svg, files)


def test_verdicts_have_signs_besides_colours() -> None:
    assert set(VERDICTS) == {"believable", "upper_bound", "not_believable", "not_audited"}
    assert len({sign for sign, _ in VERDICTS.values()}) == 4
    assert len({outcome.strokes for outcome in OUTCOMES.values()}) == 4


def test_the_audits_lower_number_stands_beside_the_ranked_one(three: Results) -> None:
    at = three.setting.eps[1]
    audit = made(three, {"weak": {"C33": flag("C33")}}, "full", weak=at)
    told = undrawn(three, dataclasses.replace(audit, lowest={"weak": wilson(7, 40)}))
    weak, *others = sorted(tables(told, "headline")[0][1:], key=lambda row: row[1][1]["data-value"] != "weak")
    assert ["audit 17.5" in text for text, _ in weak[2:8]] == [False, False, True, False, False, False]
    assert not any("audit 17.5" in text for row in others for text, _ in row)
    assert f"weak at ε = {at:g}" in words(told)


def test_numbers_of_fgsm_alone_are_not_called_believable(
    three: Results, audits: AuditResults, capsys: pytest.CaptureFixture[str]
) -> None:
    weak = dataclasses.replace(three, models=tuple(
        dataclasses.replace(each, curves=each.curves[:1]) for each in three.models
    ))  # fmt: skip
    assert [curve.request.attack for each in weak.models for curve in each.curves] == ["fgsm"] * 3
    verdicts = {key: f"{mark.verdict}({mark.level})" for key, mark in marks([audits]).items()}
    ranked_table(weak, verdicts)
    shown = capsys.readouterr().out
    signs = {name: sign for sign, name in re.findall(r"([✗≤✓]) +(bad|weak|good)", shown)}
    assert signs == {"bad": "✗", "weak": "≤", "good": "≤"}
    assert "≤ (one step): FGSM is a weak attack; add pgd to --attacks." in " ".join(shown.split())
    told = words(undrawn(weak, audits))
    assert "the numbers of 1 model are of FGSM alone, a weak attack" in told
    assert "nothing contradicts the numbers" not in told


def test_the_terminal_marks_names_and_adds_a_spatial_table(
    three: Results, audits: AuditResults, capsys: pytest.CaptureFixture[str]
) -> None:
    verdicts = {key: f"{mark.verdict}({mark.level})" for key, mark in marks([audits]).items()}
    ranked_table(with_spatial(three, "spatial_grid"), verdicts)
    shown = capsys.readouterr().out
    signs = dict(re.findall(r"([✗≤✓]) +(bad|weak|good)", shown))
    assert signs == {"✗": "bad", "≤": "weak", "✓": "good"}
    assert "rotations and translations" in shown
    ranked_table(three, {})
    assert "Not audited: see bench audit." in " ".join(capsys.readouterr().out.split())
    ranked_table(without_curves(with_spatial(three, "spatial_grid"), 0, 1, 2))
    shown = capsys.readouterr().out
    assert "spatial_grid" in shown
    assert "ε" not in shown
