"""The page of the trade-off, on outcomes that a test sets."""

from __future__ import annotations

import dataclasses
import functools
import html
import html.parser
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from bench.studies.tradeoff import linear_figures as tradeoff_linear
from bench.studies.tradeoff.figures import draw_plane
from bench.studies.tradeoff.page import pairs, rows, write_tradeoff_page
from bench.studies.tradeoff.results import CLEAN, FRONT, SPATIAL, Tradeoff
from bench.studies.tradeoff.verdicts import judge
from tests.tradeoff_factory import EPS, N, everything, replica, tradeoff


@pytest.fixture(scope="module", autouse=True)
def _closed_form_once() -> Iterator[None]:
    """The section in closed form is the same on every page; it has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tradeoff_linear, "closed_form", functools.cache(tradeoff_linear.closed_form))
        yield


class Balance(html.parser.HTMLParser):
    """Notes tags that are closed in the wrong order, or never."""

    VOID = frozenset(
        {"meta", "br", "wbr", "img", "hr", "input", "path", "use", "rect", "circle", "line", "image"}
    )

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_tradeoff_page(everything(), tmp_path_factory.mktemp("page")).read_text("utf-8")


def test_every_tag_is_closed(page: str) -> None:
    balance = Balance()
    balance.feed(page)
    assert balance.wrong == []
    assert balance.open == []


def test_every_link_leads_somewhere(page: str) -> None:
    found = set(re.findall(r'<a href="#([^"]+)"', page))
    assert {
        "claims",
        "plane",
        "curves",
        "numbers",
        "best",
        "closed-form",
        "definitions",
        "provenance",
    } <= found
    for name in found:
        assert f'id="{name}"' in page


def test_the_page_shows_every_number_and_verdict(page: str) -> None:
    run = everything()
    (first,) = [row for row in rows(run, [(SPATIAL, False)]) if row.group.name == "equivariant_gcnn.cusp"]
    share, spread = first.numbers[0].share, first.numbers[0].spread
    assert share is not None
    assert spread is not None
    assert spread.sd is not None
    cell = f"{100 * share.value:.1f}<small>{100 * share.lo:.1f}–{100 * share.hi:.1f}</small>"
    assert f"{cell}<small>seeds ± {100 * spread.sd:.1f}</small>" in page
    for judged in judge(run):
        assert judged.claim.holds in page
        assert judged.claim.fails in page
        for outcome in judged.outcomes:
            assert html.escape(outcome.sentence) in page
    assert (
        page.count("<svg") == 4 + 1 + 2 + 3
    )  # the planes with their key, a sheet an architecture, the closed form


def test_it_is_said_which_number_the_front_is_of(page: str) -> None:
    assert "The Pareto front is of AutoAttack and PGD at that ε on the first 200 images" in page
    assert "an image stands if neither breaks it" in page
    assert "takes 10 steps, as in torchattacks (the published attack takes 100), and PGD takes 20" in page
    assert "only the direction of its statements is tested, in our setting" in page
    assert "uniform in ±180°, and also ±30°" in page


def test_a_front_of_pgd_alone_is_shown_once(page: str, tmp_path: Path) -> None:
    both = tradeoff(replica("baseline_cnn"), replica("baseline_cnn.pgd_at"))
    alone = dataclasses.replace(both, attack="pgd")
    found = write_tradeoff_page(alone, tmp_path).read_text("utf-8")
    heads = [len(re.findall(r">PGD<small>ε 0\.15</small>", each)) for each in (page, found)]
    assert heads == [2, 2]  # among the numbers, and at every ε
    assert "AutoAttack and PGD<small>ε 0.15" in page
    assert "AutoAttack and PGD" not in found
    assert "The Pareto front is of the same PGD." in found
    heights = [picture(run).size[1] for run in (both, alone)]
    assert heights[1] < 0.6 * heights[0]  # one row of panels for two


def picture(run: Tradeoff) -> Image.Image:
    """The plane as a file beside the page."""
    return Image.open(io.BytesIO(draw_plane(run, run.groups, "d").files["d-plane.png"]))


def test_names_that_are_markup_stay_text(tmp_path: Path) -> None:
    run = tradeoff(
        replica("<b>mine</b>:f", origin="file"), missing={"baseline_cnn.cusp": "bench train <i>x</i>"}
    )
    found = write_tradeoff_page(run, tmp_path).read_text("utf-8")
    assert "<b>mine" not in found
    assert "<i>x" not in found
    assert "&lt;b&gt;mine" in found


def test_without_a_single_model_there_is_a_page_that_says_so(tmp_path: Path) -> None:
    failed = dataclasses.replace(tradeoff(), failed=("baseline_cnn, clean: the cell failed",))
    found = write_tradeoff_page(failed, tmp_path).read_text("utf-8")
    assert "the cell failed" in found
    assert 'id="plane"' not in found
    assert 'id="closed-form"' in found


def test_what_was_not_measured_is_a_dash(tmp_path: Path) -> None:
    run = tradeoff(replica("baseline_cnn", front=None), replica("baseline_cnn.pgd_at"))
    (first, second) = rows(run, [(CLEAN, False), (FRONT, False)])
    assert first.numbers[1].share is None
    assert (first.wide, second.wide) == (False, True)
    assert '<td class="none" data-value="">–</td>' in write_tradeoff_page(run, tmp_path).read_text("utf-8")


def test_the_best_epoch_stands_beside_the_last_of_the_same_seed() -> None:
    run = tradeoff(
        replica("baseline_cnn.cusp", clean=190),
        replica("baseline_cnn.cusp@1", clean=180),
        best=(replica("baseline_cnn.cusp-best@1", clean=170), replica("equivariant_gcnn.cusp-best")),
    )
    (pair,) = pairs(run, (CLEAN, run.largest))
    assert pair.name == "baseline_cnn.cusp@1"
    assert pair.last == pytest.approx((180 / N, 0.5))
    assert pair.best == pytest.approx((170 / N, 0.5))
    assert run.largest.at == EPS[-1]
