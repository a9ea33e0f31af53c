"""A page is drawn again exactly when its content, its code or its figures are not what they were."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from bench.errors import UsageError
from bench.pages import digest, frame
from bench.pages.digest import code_digest, digest_of
from bench.studies import attacked
from bench.studies.certify.page import write_certify_page
from bench.studies.clever.page import write_clever_page
from bench.studies.detect.page import write_detect_page
from bench.studies.invariance.page import write_invariance_page
from bench.studies.mip.page import write_mip_page
from bench.studies.paper.page import write_reproduction
from bench.studies.robustness.corruption_page import write_groups_page
from bench.studies.spatial.page import write_spatial_page
from bench.studies.theory import ModelTheory, assemble
from bench.studies.theory.page import write_theory_page
from bench.studies.tradeoff.page import write_tradeoff_page
from tests.clever_factory import make_clever
from tests.factory import make_results
from tests.paper_factory import corrupted, full
from tests.studies.certify.test_certify_command import made as certified
from tests.studies.certify.test_certify_command import result as certificates
from tests.studies.detect.test_detect import result as detected
from tests.studies.detect.test_detect import results as detect_results
from tests.studies.invariance.test_invariance import result as invariant
from tests.studies.invariance.test_invariance import results as invariance_results
from tests.studies.mip.test_mip import result
from tests.studies.mip.test_mip import results as mip_results
from tests.studies.spatial.test_spatial_command import made_up
from tests.studies.spatial.test_spatial_command import results as spatial_results
from tests.studies.theory.test_theory import N, measured
from tests.tradeoff_factory import everything

FIGURES = {"a.svg": b"<svg/>", "a.png": b"png"}
Write = Callable[[Path], Path]


class Drawing:
    """Draws one page, and counts how often."""

    def __init__(self, figures: Mapping[str, bytes] = FIGURES) -> None:
        self.count, self.figures = 0, figures

    def __call__(self) -> tuple[str, Mapping[str, bytes]]:
        self.count += 1
        return '<html>\n<head>\n<meta charset="utf-8">\n</head>\n</html>\n', self.figures


def test_an_unchanged_page_is_not_drawn_again(tmp_path: Path) -> None:
    drawing, page = Drawing(), tmp_path / "new" / "page.html"
    assert frame.write(page, {"k": 1}, drawing) == page
    before = page.read_bytes(), page.stat().st_mtime_ns
    assert frame.write(page, {"k": 1}, drawing) == page
    assert drawing.count == 1
    assert (page.read_bytes(), page.stat().st_mtime_ns) == before
    assert f'<meta name="symbench-digest" content="{digest_of({"k": 1})}"' in page.read_text()
    frame.write(page, {"k": 2}, drawing)
    frame.write(page, {"k": 2}, drawing)
    assert drawing.count == 2


@pytest.mark.parametrize("name", FIGURES)
def test_a_page_without_one_of_its_figures_is_drawn_again(tmp_path: Path, name: str) -> None:
    drawing, page = Drawing(), tmp_path / "page.html"
    frame.write(page, 1, drawing)
    figure = tmp_path / "figures" / name
    figure.unlink()
    frame.write(page, 1, drawing)
    assert (drawing.count, figure.read_bytes()) == (2, FIGURES[name])
    figure.write_bytes(b"of another page")  # as after a stop between figures and page
    frame.write(page, 1, drawing)
    assert (drawing.count, figure.read_bytes()) == (3, FIGURES[name])


@pytest.mark.parametrize(
    "text", ["", "my own page", '<meta name="symbench-digest" content="1" data-figures="">']
)
def test_another_page_at_its_place_is_replaced(tmp_path: Path, text: str) -> None:
    drawing, page = Drawing({}), tmp_path / "page.html"
    page.write_text(text)
    frame.write(page, 1, drawing)
    assert "charset" in page.read_text()
    assert drawing.count == 1
    assert not (tmp_path / "figures").exists()


def test_other_code_draws_a_page_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing, page = Drawing(), tmp_path / "page.html"
    frame.write(page, 1, drawing)
    monkeypatch.setattr(digest, "code_digest", lambda: "of another version")
    frame.write(page, 1, drawing)
    assert drawing.count == 2


@pytest.mark.parametrize(
    "name", ["bench/pages/templates/page.html.j2", "zoo/entries.py", "bench/pages/style.py"]
)
def test_code_and_templates_are_part_of_the_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for file in ("bench/pages/templates/page.html.j2", "zoo/entries.py", "bench/pages/style.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("as it was")
    monkeypatch.setattr(digest, "_HOME", tmp_path)
    before = code_digest.__wrapped__()
    assert code_digest.__wrapped__() == before
    (tmp_path / name).write_text("as it is!")
    assert code_digest.__wrapped__() != before


def test_a_page_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="--reports"):
        frame.write(tmp_path / "file" / "page.html", 1, Drawing())


CONTENTS: tuple[Any, ...] = (
    None, True, 1, 1.0, "1", "", (), (1,), ((1,),), (1, (2,)), ((1, 2),), ((1,), 2), [(), ()], {}, {"a": 1},
    {"a": (1,)}, {"a": 1, "b": 2}, {"b": 2, "a": 1}, ("a", 1), np.arange(2), np.arange(2.0),
    np.arange(2)[::-1], np.zeros((1, 2)), np.zeros((2, 1)), np.array(["a", "b"]), np.float32(1), float("nan"),
    "\udc80", "ü", (np.zeros(1), np.zeros(0)), (np.zeros(0), np.zeros(1)),
)  # fmt: skip


def test_other_content_has_another_digest() -> None:
    found = [digest_of(content) for content in CONTENTS]
    assert len(set(found)) == len(CONTENTS)
    assert found == [digest_of(content) for content in CONTENTS]


@pytest.mark.parametrize("content", [object(), {1, 2}, (lambda: 1), [object()], np.array([object()])])
def test_what_has_no_digest_is_refused(content: Any) -> None:
    with pytest.raises(TypeError, match="has no digest"):
        digest_of(content)


# the pages


def _dataset_page(failed: tuple[str, ...]) -> Write:
    results = make_results(models=("a", "b"), n=20)
    return lambda place: attacked.write(replace(results, failed=failed), (make_results(n=30),), place)


def _groups_page(failed: tuple[str, ...]) -> Write:
    made = corrupted("sound/1")
    results = replace(made.results, failed=failed)

    def write(place: Path) -> Path:
        page = write_groups_page(results, made.groups, place, {})
        assert page is not None
        return page

    return write


@functools.cache  # the seconds it took are part of it
def _theory() -> ModelTheory:
    data = zoo.data.load("digits", "test")
    return measured("baseline_cnn_4", (data.images(0, N), data.targets(0, N)))


def _theory_page(failed: tuple[str, ...]) -> Write:
    found = assemble(
        [_theory()], dataset="digits", data="d", n=N, versions={}, command=f"bench theory {failed}"
    )
    return lambda place: write_theory_page(found, place)


def _mip_page(failed: tuple[str, ...]) -> Write:
    found = replace(mip_results(result("a", np.array([[2, 3], [4, 4]]))), failed=failed)
    return lambda place: write_mip_page(found, (), place)


def _spatial_page(failed: tuple[str, ...]) -> Write:
    found = replace(spatial_results(made_up("a", 0.7)), failed=failed)
    return lambda place: write_spatial_page(found, (), place)


def _certify_page(failed: tuple[str, ...]) -> Write:
    found = replace(certified(certificates()), failed=failed)
    return lambda place: write_certify_page(found, (), place)


def _detect_page(failed: tuple[str, ...]) -> Write:
    found = replace(detect_results(detected()), failed=failed)
    return lambda place: write_detect_page(found, (), place)


def _invariance_page(failed: tuple[str, ...]) -> Write:
    found = replace(invariance_results(invariant()), failed=failed)
    return lambda place: write_invariance_page(found, (), place)


PAGES: dict[str, Callable[[tuple[str, ...]], Write]] = {
    "data set": _dataset_page,
    "groups": _groups_page,
    "theory": _theory_page,
    "mip": _mip_page,
    "spatial": _spatial_page,
    "certify": _certify_page,
    "detect": _detect_page,
    "invariance": _invariance_page,
    "clever": lambda failed: (
        lambda place: write_clever_page(replace(make_clever(), failed=failed), (), place)
    ),
    "paper": lambda failed: lambda place: write_reproduction(replace(full(), failed=failed), place),
    "tradeoff": lambda failed: lambda place: write_tradeoff_page(replace(everything(), failed=failed), place),
}


MANY_FIGURES = ("paper", "tradeoff")  # slow to draw


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in MANY_FIGURES)) for kind in PAGES]
)
def test_every_page_is_drawn_once(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[Path] = []
    save = frame._save
    monkeypatch.setattr(frame, "_save", lambda page, *rest: (saved.append(page), save(page, *rest)))
    page = PAGES[kind](())(tmp_path)
    figures = {file: file.read_bytes() for file in tmp_path.glob("figures/*")}
    assert PAGES[kind](())(tmp_path) == page
    assert saved == [page]
    text = page.read_text("utf-8")
    assert text.count('<meta name="symbench-digest"') == 1
    assert all(f"{file.name}:" in text for file in figures)
    PAGES[kind](("a cell",))(tmp_path)
    assert saved == [page, page]
