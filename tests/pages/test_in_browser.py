"""The pages in a real browser: Debian's Chromium, driven by playwright."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bench.studies import attacked
from bench.studies.clever.page import write_clever_page
from bench.studies.mip.page import write_mip_page
from bench.studies.paper.page import write_reproduction
from bench.studies.spatial.page import write_spatial_page
from bench.studies.tradeoff.page import write_tradeoff_page
from tests.audit_factory import flag, made
from tests.clever_factory import make_clever
from tests.factory import ZOO, make_results
from tests.paper_factory import full
from tests.studies.mip.test_mip import result
from tests.studies.mip.test_mip import results as mip_results
from tests.studies.spatial.test_spatial_command import made_up
from tests.studies.spatial.test_spatial_command import results as spatial_results
from tests.tradeoff_factory import everything

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PAGES = (
    "digits",
    "digits-clever",
    "digits-mip",
    "digits-spatial",
    "digits-tradeoff",
    "index",
    "paper-cifar10-copy",
)
LIMITS = {"paper-cifar10-copy": 1_500_000}  # bytes; 1 MB for every other page
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
A4 = {"width": 1047, "height": 718}  # landscape within margins of 10 mm, at 96 pixels an inch
_FILTER_ROWS = (
    "[...document.querySelectorAll('#table tbody tr')].filter(r => r.offsetHeight).map(r => r.dataset.model)"
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One page of each kind, with their index."""
    place = tmp_path_factory.mktemp("pages")
    results = make_results(models=ZOO, n=120, seed=1)
    found = {name: {"C8": flag("C8")} if "rs" in name else {} for name in ZOO if "_4" not in name}
    attacked.write(results, (make_results(n=60),), place, audits=(made(results, found, "full"),))
    write_clever_page(make_clever(), (), place)
    write_mip_page(mip_results(*(result(name, np.array([[2, 3], [4, 4]])) for name in "ab")), (), place)
    write_spatial_page(spatial_results(made_up("a", 0.7), made_up("b", 0.5)), (), place)
    write_tradeoff_page(everything(), place)
    write_reproduction(full(), place)
    return place


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install 'symbench[browser]'")
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(browser: Browser, file: Path, size: dict[str, int] = DESK, **options: Any) -> Page:
    """The page in a window; whatever it writes to the console as an error is in ``errors``."""
    page = browser.new_page(viewport=size, **options)  # pyright: ignore[reportArgumentType]
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(file.as_uri())
    page.evaluate("1")
    assert errors == []
    return page


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_no_error_no_sideways_scrolling_and_a_small_file(
    browser: Browser, pages: Path, name: str, size: dict[str, int]
) -> None:
    file = pages / f"{name}.html"
    page = opened(browser, file, size)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert file.stat().st_size <= LIMITS.get(name, 1_000_000)
    page.close()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, pages: Path, name: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-playwright-python")
    page = opened(browser, pages / f"{name}.html", color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    found = axe.Axe().run(page).response
    assert len(found["passes"]) > 15
    serious = [each for each in found["violations"] if each["impact"] in ("serious", "critical")]
    assert [(each["id"], each["nodes"][0]["html"]) for each in serious] == []
    page.close()


@pytest.mark.parametrize("name", [name for name in PAGES if name != "index"])
def test_tables_fit_on_paper_and_details_are_opened(browser: Browser, pages: Path, name: str) -> None:
    page = opened(browser, pages / f"{name}.html", A4)
    page.emulate_media(media="print")
    wide = "[...document.querySelectorAll('table')].filter(t => t.offsetWidth > document.body.clientWidth + 1).length"
    assert page.evaluate(wide) == 0
    hidden = "[...document.querySelectorAll('details > table, details .scroll > table')].filter(t => !t.offsetHeight)"
    assert page.evaluate(f"{hidden}.length") == 0
    assert (
        page.evaluate("[...document.querySelectorAll('tr')].filter(r => !r.offsetHeight && !r.hidden).length")
        == 0
    )
    page.close()


@pytest.fixture
def digits(browser: Browser, pages: Path) -> Iterator[Page]:
    page = opened(browser, pages / "digits.html")
    yield page
    page.close()


def shown(page: Page) -> list[str]:
    """Names of the models whose rows can be seen."""
    return page.evaluate(_FILTER_ROWS)


def test_ten_models_are_shown_until_the_rest_is_asked_for(digits: Page) -> None:
    assert len(shown(digits)) == 10
    digits.get_by_role("button", name=f"Show all {len(ZOO)}").click()
    assert sorted(shown(digits)) == sorted(ZOO)


def test_sorting_by_model_ignores_the_audits_mark(digits: Page) -> None:
    digits.get_by_role("button", name=f"Show all {len(ZOO)}").click()
    digits.locator("#table thead th").nth(1).get_by_role("button").click()
    ordered = digits.evaluate(f"{list(ZOO)!r}.sort((a, b) => a.toLowerCase().localeCompare(b.toLowerCase()))")
    assert shown(digits) == ordered
    digits.locator("#table thead th").nth(2).get_by_role("button").click()  # the mean, the highest first
    cells = digits.locator("#table tbody td.share:nth-child(3)")
    means = [float(cells.nth(i).get_attribute("data-value") or "nan") for i in range(cells.count())]
    assert means == sorted(means, reverse=True)


def test_rows_are_filtered_by_recipe_depth_verdict_and_name(digits: Page) -> None:
    digits.locator("select[name=recipe]").select_option("pgd_at")
    assert set(shown(digits)) == {name for name in ZOO if name.endswith(".pgd_at")}
    digits.locator("select[name=depth]").select_option("4 layers")
    assert shown(digits) == ["baseline_cnn_4.pgd_at"]
    digits.locator("select[name=depth]").select_option("")
    digits.locator("select[name=recipe]").select_option("")
    digits.locator("select[name=verdict]").select_option("upper_bound")
    assert set(shown(digits)) == {name for name in ZOO if "rs" in name and "_4" not in name}
    digits.locator("select[name=verdict]").select_option("")
    digits.get_by_label("Find").fill("cascaded")
    assert set(shown(digits)) == {"cascaded_gcnn", "cascaded_gcnn_4"}
    assert digits.locator("#table output").inner_text() == f"2 of {len(ZOO)} models"


def test_a_model_pointed_at_stands_out_in_every_figure(digits: Page) -> None:
    digits.get_by_role("button", name=f"Show all {len(ZOO)}").click()
    digits.locator("#table tr[data-model='equivariant_gcnn'] th").hover()
    drawn = "[...document.querySelectorAll('#curves figure, #scatter figure')]"
    assert digits.evaluate(f"{drawn}.length") > 10
    assert digits.evaluate(f"{drawn}.every(f => f.querySelector('g.on'))")
    assert digits.evaluate(
        "[...document.querySelectorAll('g.on')].every(g => g.dataset.model === 'equivariant_gcnn')"
    )


def test_models_are_chosen_and_compared_by_keyboard(digits: Page) -> None:
    digits.get_by_label("Compare equivariant_gcnn.pgd_at").focus()
    digits.keyboard.press("Space")
    digits.get_by_role("button", name="cascaded_gcnn_4").focus()
    digits.keyboard.press("Enter")
    chosen = "[...new Set([...document.querySelectorAll('svg g.pick')].map(g => g.dataset.model))].sort()"
    assert digits.evaluate(chosen) == ["cascaded_gcnn_4", "equivariant_gcnn.pgd_at"]
    digits.get_by_label("Only chosen").check()
    assert sorted(shown(digits)) == ["cascaded_gcnn_4", "equivariant_gcnn.pgd_at"]


def test_points_say_their_values_to_pointer_and_keys(digits: Page) -> None:
    figure = digits.locator("#curves figure").first
    figure.scroll_into_view_if_needed()
    figure.locator("g[data-values] use").first.hover(force=True)
    said = digits.locator("output.tip")
    assert "%" in said.inner_text()
    digits.mouse.move(0, 0)
    assert said.is_hidden()
    figure.focus()
    for key in ("ArrowRight", "ArrowRight"):
        digits.keyboard.press(key)
    assert "ε 0.02" in said.inner_text()
    digits.keyboard.press("Escape")
    assert said.is_hidden()


def test_csv_has_what_is_shown(digits: Page) -> None:
    digits.locator("select[name=recipe]").select_option("pgd_at")
    with digits.expect_download() as download:
        digits.locator("#table button.csv").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8"))))
    assert {row["Model"] for row in rows} == {name for name in ZOO if name.endswith(".pgd_at")}
    for row in rows:
        mean = digits.locator(f"#table tr[data-model='{row['Model']}'] td.share").first
        assert row["Mean worst case"] == mean.get_attribute("data-value")


def test_a_reader_chooses_light_or_dark(digits: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    button = digits.locator("button.theme")
    seen = []
    for _ in range(3):
        seen.append(digits.evaluate(ground))
        button.click()
    assert seen[0] == seen[2]  # as the system has it, which is light; dark; light
    assert seen[1] != seen[0]


def test_a_command_can_be_reached_by_keyboard(digits: Page) -> None:
    digits.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert digits.evaluate("[...document.querySelectorAll('pre')].every(each => each.tabIndex === 0)")


def test_titles_are_unique_and_the_index_leads_to_every_page(browser: Browser, pages: Path) -> None:
    titles = set()
    for name in PAGES:
        page = opened(browser, pages / f"{name}.html")
        assert page.locator("h1").inner_text() == page.title()
        titles.add(page.title())
        page.close()
    assert len(titles) == len(PAGES)
    index = opened(browser, pages / "index.html")
    links = index.locator("article a")
    hrefs = {links.nth(i).get_attribute("href") for i in range(links.count())}
    assert hrefs == {f"{name}.html" for name in PAGES if name != "index"}
    assert index.locator("article .finding").count() == len(hrefs)
    index.close()


def test_the_first_screen_of_a_phone_has_a_robust_number(browser: Browser, pages: Path) -> None:
    page = opened(browser, pages / "digits.html", PHONE)
    box = page.locator("#table td.share").first.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= PHONE["width"]
    assert box["y"] + box["height"] <= PHONE["height"]
    assert page.evaluate("document.documentElement.scrollHeight") < 8_000
    page.close()


def test_a_failed_cell_is_on_the_first_screen(browser: Browser, tmp_path: Path) -> None:
    results = replace(make_results(n=20), failed=("m pgd: outside the ball",))
    page = opened(browser, attacked.write(results, (), tmp_path))
    assert "outside the ball" in page.get_by_role("alert").inner_text()
    page.close()
