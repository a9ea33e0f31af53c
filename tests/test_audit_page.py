"""The page's audit section, its marks and its table of spatial attacks, on results and audits made by hand."""

from __future__ import annotations

import dataclasses
import html
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import ranking, report
from bench.attacks import Request, parse_requests
from bench.audit import CHECKS, Audit, Finding
from bench.audit_collect import AuditResults
from bench.audit_plan import AuditSetting
from bench.commands.screen import ranked_table
from bench.report.audit_figure import OUTCOMES, draw_audit
from bench.report.audit_section import audit_blocks, by_kind, marks
from bench.report.figures import Figures
from bench.report.format import VERDICTS, attack_names
from bench.report.page import _render
from bench.report.spatial import spatial_table, tried
from bench.report.tables import attack_blocks, costs, noted
from bench.results import Curve, Results
from bench.stats import wilson
from tests.factory import ZOO, make_results
from tests.test_report import NASTY, tables

VOID = {"meta", "br", "wbr", "img", "input", "hr", "link"}
Flags = Mapping[str, Mapping[str, Finding]]


class Balanced(HTMLParser):
    """Notes every end tag that closes something else than what was opened last."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"{tag} at {self.getpos()}")


def flag(id: str, detail: str = "", images: Sequence[int] = ()) -> Finding:
    status = "fail" if CHECKS[id].kind == "fatal" else "warn"
    said = detail or f"What was found of {id}."
    return Finding(id=id, status=status, value=1.0, threshold=0.5, detail=said, images=tuple(images))


def skip(id: str, reason: str) -> Finding:
    return Finding(id=id, status="skip", value=None, threshold=None, detail=reason)


def made(results: Results, found: Flags, mode: str = "quick", **eps: float) -> AuditResults:
    """Audits of the named models; what is not given passed."""
    infos = [model.info for model in results.models if model.info.name in found]
    ids = [check.id for check in CHECKS.values() if mode in check.modes]
    audits = tuple(
        Audit(
            model=info.name,
            weights=info.weights,
            mode=mode,
            findings=tuple(
                found[info.name].get(id)
                or Finding(id=id, status="pass", value=0.0, threshold=None, detail="Nothing.")
                for id in ids
            ),
        )
        for info in infos
    )
    return AuditResults(
        setting=AuditSetting(mode=mode, base=results.setting, classes=10),
        models=tuple(infos),
        audits=audits,
        eps=eps,
        versions={},
        command=f"bench audit --audit {mode} --model {','.join(found)}",
    )


def with_spatial(results: Results, *names: str, at: Sequence[int] = (), **params: float) -> Results:
    """The results with spatial attacks on the models at these places, all by default."""
    requests = parse_requests(names, params=params)

    def curve(request: Request, standing: np.ndarray) -> Curve:
        n = len(standing)
        return Curve(
            request=request,
            library="foolbox==3.3.4",
            standing=standing[None],
            attacked=np.ones((1, n), bool),
            distance=np.full((1, n), np.nan),
            predicted=np.zeros((1, n), np.int64),
            nonfinite=np.zeros((1, n), bool),
            projected=np.zeros((1, n), bool),
            silent=np.zeros((1, n), bool),
            gradients=(0,),
            seconds=(1.0,),
            digest=("d" * 64,),
        )

    models = []
    for place, model in enumerate(results.models):
        stands = model.clean.correct & (np.arange(len(model.clean.correct)) % 3 == 0)
        spatial = tuple(curve(request, stands) for request in requests) if place in at or not at else ()
        models.append(dataclasses.replace(model, spatial=spatial))
    return dataclasses.replace(results, models=tuple(models))


def without_curves(results: Results, *at: int) -> Results:
    models = tuple(
        dataclasses.replace(model, curves=(), samples=()) if place in at else model
        for place, model in enumerate(results.models)
    )
    return dataclasses.replace(results, models=models)


def checked(text: str) -> str:
    """The page, found well-formed and with a target for every reference."""
    parser = Balanced()
    parser.feed(text)
    assert (parser.wrong, parser.open) == ([], [])
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(ids)
    return text


def page(directory: Path, results: Results, *audits: AuditResults) -> str:
    return checked(report.write(results, (), directory, audits=audits).read_text("utf-8"))


def undrawn(results: Results, *audits: AuditResults, others: Sequence[Results] = ()) -> str:
    """The page without figures, which take most of its time."""
    empty = Figures((), "", {}) if any(model.curves for model in results.models) else None
    return checked(
        _render(
            results,
            ranking.standings(results),
            others,
            empty,
            "",
            marks=marks(audits),
            audits=[(block, "") for block in audit_blocks(audits)],
        )
    )


def words(text: str) -> str:
    """A page as read: without tags, figures and style, spaces joined."""
    bare = re.sub(r"<(svg|style|script)\b.*?</\1>", "", text, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", bare)).split())


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
    assert by_name == {"good": [], "weak": ["≤ upper bound"], "bad": ["✗ not believable"]}
    told = words(audited)
    assert "Models without a mark were audited and found believable." in told
    assert "Not to be believed: bad (audit)." in told
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
    assert "found believable, but for weak, not audited." in told
    assert "Not audited: weak." in told


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
    assert (mark.verdict, mark.text) == ("believable", "✓ believable")


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
    assert set(VERDICTS) == {"believable", "upper_bound", "not_believable"}
    assert len({sign for sign, _ in VERDICTS.values()}) == 3
    assert len({outcome.strokes for outcome in OUTCOMES.values()}) == 4


def test_spatial_accuracy_stands_in_its_own_table(three: Results) -> None:
    results = with_spatial(three, "spatial_grid", "spatial_random", at=(0, 2))
    text = undrawn(results)
    (rows,) = tables(text, "spatial")
    assert [cell[0].split()[0] for cell in rows[0]] == ["Model", "Clean", "spatial_grid", "spatial_random"]
    assert {row[0][0].strip() for row in rows[1:]} == {"good", "bad"}
    by_name = {model.info.name: model for model in results.models}
    for row in rows[1:]:
        k = int(by_name[row[0][0].strip()].spatial[0].standing.sum())
        share = wilson(k, 40)
        assert row[2][0] == f"{100 * share.value:.1f} {100 * share.lo:.1f}–{100 * share.hi:.1f}"
    assert "not part of the worst case" in words(text)
    assert "black beyond the border" in words(text)
    plain = tables(undrawn(three), "headline")
    assert tables(text, "headline") == plain


def test_a_page_without_spatial_attacks_has_no_such_section(three: Results) -> None:
    assert "Rotations" not in undrawn(three)
    assert spatial_table(three, ranking.standings(three)) is None


def test_what_a_spatial_attack_tries() -> None:
    grid, random = parse_requests(
        ("spatial_grid", "spatial_random"), params={"rotation": 20, "translation": 0.2}
    )
    shift = "along each axis up to ±20 % of the side"
    assert tried(grid) == f"every combination of 31 angles up to ±20° and 5 shifts {shift}: 775 in all"
    assert tried(random).endswith(f"with angles up to ±20° and shifts {shift}")
    (one,) = parse_requests(("spatial_grid",), params={"rotations": 1, "translations": 1})
    assert tried(one) == "every combination of no turn and no shift: 1 in all"


def test_models_under_spatial_attacks_alone(three: Results, tmp_path: Path) -> None:
    spatial = with_spatial(three, "spatial_grid")
    text = page(tmp_path, without_curves(spatial, 0, 1, 2))
    head, *rows = tables(text, "headline")[0]
    assert not [cell for cell in head if "ε" in cell[0] or "Mean" in cell[0]]
    assert all(len(row) == len(head) for row in rows)
    assert 'id="curves"' not in text
    assert 'id="attacks"' not in text
    assert "Worst case at" not in text
    assert len(tables(text, "spatial")[0]) == 4
    mixed = page(tmp_path / "mixed", without_curves(spatial, 1))
    head, *rows = tables(mixed, "headline")[0]
    assert all(len(row) == len(head) for row in rows)
    unattacked = next(row for row in rows if row[1][0].startswith("weak"))
    assert [text for text, a in unattacked if a.get("class") == "none"] == ["–"] * 5


def test_minimum_norm_attacks_alone() -> None:
    results = make_results(models=("a", "b"), n=30, attacks=("ddn",), norm="l2")
    told = words(undrawn(results))
    assert "ddn looks for the nearest misclassified image, so one run gives the whole curve." in told
    assert "fgsm" not in told


def test_attacks_are_named_with_what_was_changed() -> None:
    plain, more, best = (
        parse_requests(("pgd",), params=params)[0]
        for params in ({}, {"steps": 50}, {"best_iterate": True, "random_start": False})
    )
    (model,) = make_results(models=("m",), n=10, attacks=("pgd",)).models
    curves = tuple(dataclasses.replace(model.curves[0], request=r) for r in (plain, more, best))
    results = make_results(models=("m",), n=10, attacks=("pgd",))
    results = dataclasses.replace(results, models=(dataclasses.replace(model, curves=curves),))
    assert list(attack_names(results).values()) == [
        "pgd",
        "pgd (steps 50)",
        "pgd (best iterate, no random start)",
    ]


def test_the_judge_s_notes_are_told_where_there_are_any() -> None:
    results = make_results(models=("m",), n=40, eps=(0.1, 0.2), attacks=("pgd",))
    (curve,) = results.models[0].curves
    none = np.zeros((2, 40), bool)
    silent = none.copy()
    silent[1, :3] = True
    quiet = dataclasses.replace(curve, silent=none, projected=none)
    loud = dataclasses.replace(curve, silent=silent, projected=none)

    def of(one: Curve) -> Results:
        models = (dataclasses.replace(results.models[0], curves=(one,)),)
        return dataclasses.replace(results, models=models)

    lines = ranking.standings(of(loud))
    (note,) = noted(lines, attack_names(results), ("0.1", "0.2"))
    assert (note.attack, note.eps, note.silent, note.counted) == ("pgd", "0.2", 3, False)
    (row,) = tables(undrawn(of(loud)), "noted")[0][1:]
    assert [text for text, _ in row] == ["m", "pgd", "0.2", "7.5 3 images", "0", "0"]
    told = words(undrawn(of(quiet)))
    assert "None of these occurred." in told
    assert "unless the attack is run with --best-iterate" in told


def test_bold_is_the_strongest_attack_of_a_row() -> None:
    results = make_results(models=("m",), n=40, eps=(0.05, 0.1), attacks=("fgsm", "pgd"))
    fgsm, pgd = results.models[0].curves
    right = results.models[0].clean.correct
    assert pgd.standing[1].sum() < right.sum()
    same = dataclasses.replace(fgsm, standing=np.stack([pgd.standing[0], right]))
    model = dataclasses.replace(results.models[0], curves=(same, pgd))
    results = dataclasses.replace(results, models=(model,))
    (block,) = attack_blocks(ranking.standings(results), list(attack_names(results)), ("0.05", "0.1"))
    assert [[bool(cell and cell.strongest) for cell in row.cells] for row in block.rows] == [
        [False, False],
        [False, True],
    ]


def test_costs_add_up_over_models_and_eps() -> None:
    results = make_results(models=("a", "b"), n=30, attacks=("pgd", "ddn"), norm="l2")
    pgd, ddn = costs(results, attack_names(results))
    curves = [model.curves for model in results.models]
    assert pgd.gradients == sum(sum(pair[0].gradients) for pair in curves)
    assert ddn.gradients == sum(pair[1].gradients[0] for pair in curves)
    assert (pgd.minimum_norm, ddn.minimum_norm) == (False, True)


@pytest.mark.parametrize(
    ("attacks", "said"),
    [
        (("fgsm", "pgd"), "none of these was run here (--attacks strong adds two)."),
        (("pgd", "square"), "of these square was run."),
        (("apgd_t", "square"), "of these apgd_t, square were run."),
    ],
)
def test_the_page_says_whether_a_stronger_attack_was_run(attacks: Sequence[str], said: str) -> None:
    results = make_results(models=("m",), n=10, attacks=attacks, samples=0)
    assert said in words(undrawn(results))


def test_many_attacks_begin_with_the_worst_case(tmp_path: Path) -> None:
    few = make_results(models=("a", "b"), n=20, samples=0)
    assert "worst case" not in re.findall(r'aria-label="Accuracy against ε, ([^"]*)"', page(tmp_path, few))
    many = make_results(models=("a", "b"), n=20, attacks=("fgsm", "pgd", "square"), samples=0)
    shown = re.findall(r'aria-label="Accuracy against ε, ([^"]*)"', page(tmp_path, many))
    assert shown == ["worst case", "fgsm", "pgd", "square"]
    assert (tmp_path / "figures" / "digits-curves-worst-case.svg").exists()


def test_the_terminal_marks_names_and_adds_a_spatial_table(
    three: Results, audits: AuditResults, capsys: pytest.CaptureFixture[str]
) -> None:
    verdicts = {key: mark.verdict for key, mark in marks([audits]).items()}
    ranked_table(with_spatial(three, "spatial_grid"), verdicts)
    shown = capsys.readouterr().out
    assert "bad ✗ not believable" in shown
    assert "weak ≤" in shown
    assert "rotations and translations" in shown
    ranked_table(three, {})
    assert "Not audited: see bench audit." in " ".join(capsys.readouterr().out.split())
    ranked_table(without_curves(with_spatial(three, "spatial_grid"), 0, 1, 2))
    shown = capsys.readouterr().out
    assert "spatial_grid" in shown
    assert "ε" not in shown


def test_seeds_have_a_section_where_there_are_several(three: Results) -> None:
    again = dataclasses.replace(three, setting=dataclasses.replace(three.setting, seed=1))
    assert 'id="variation"' in undrawn(three, others=(again,))
    assert "ariation" not in undrawn(three)
