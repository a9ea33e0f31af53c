"""What README and documentation show exists, parses and runs."""

from __future__ import annotations

import ast
import inspect
import operator
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import bench
import zoo
from bench.attacks import ATTACKS
from bench.commands.cli import COMMANDS, main, parser
from bench.studies import STUDIES
from bench.studies.shared.parsing import Parser
from tests.house.documents import DOCUMENTS, ROOT, anchors, block, blocks, commands, links
from tests.toys import linear_problem

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: str(each.relative_to(ROOT)))
PACKAGES = {"bench": bench, "zoo": zoo}
SITE = (ROOT / "mkdocs.yml").read_text()
PICTURE = runpy.run_path(str(ROOT / "docs/picture.py"))


@pytest.fixture(scope="module")
def top() -> Parser:
    return parser()


@each_document
def test_links_resolve(document: Path) -> None:
    for target in links(document):
        path, _, anchor = target.partition("#")
        file = document.parent / path if path else document
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


@each_document
def test_commands_parse(document: Path, top: Parser) -> None:
    for arguments in commands(document):
        assert top.parse_args(arguments).command in COMMANDS, arguments
    for text in blocks(document, "sh"):
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)


@each_document
def test_scripts_have_the_options_that_are_shown(document: Path) -> None:
    text = "\n".join(blocks(document, "sh") + blocks(document, ""))
    for script, rest in re.findall(r"^python ((?:docs|benchmarks)/\S+)([^#\n]*)", text, flags=re.MULTILINE):
        source = (ROOT / script).read_text()
        for option in re.findall(r"--[\w-]+", rest):
            assert f'"{option}"' in source, f"{script} {option}"


@each_document
def test_python_compiles_and_its_imports_exist(document: Path) -> None:
    for text in blocks(document, "python"):
        tree = ast.parse(text)
        imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), str(document), "exec"), {})


@each_document
def test_toml_is_toml(document: Path) -> None:
    for text in blocks(document, "toml"):
        assert tomllib.loads(text)


def test_the_readme_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size <= 7000


def test_the_table_of_commands_is_whole() -> None:
    shown = re.findall(r"^\| `bench (\w+)`", (ROOT / "docs/start.md").read_text(), re.MULTILINE)
    assert sorted(shown) == sorted(COMMANDS)


def test_the_number_of_attacks_is_right() -> None:
    names = {name for name, _ in ATTACKS}
    assert f"| attacks | {len(names)} |" in (ROOT / "README.md").read_text()
    assert f"| attacks | {len(names)} from " in (ROOT / "docs/peers.md").read_text()


def test_the_signatures_of_the_api_are_the_real_ones() -> None:
    text = (ROOT / "docs/api.md").read_text()
    shown = re.findall(r"^\| `((?:bench|zoo)\.[\w.]+)(\(.*?\))` \|", text, re.MULTILINE)
    assert {"bench.evaluate", "bench.leaderboard_rows", "zoo.data.load"} <= {name for name, _ in shown}
    for name, signature in shown:
        real = inspect.signature(
            operator.attrgetter(name.partition(".")[2])(PACKAGES[name.partition(".")[0]])
        )
        bare = [each.replace(annotation=inspect.Parameter.empty) for each in real.parameters.values()]
        assert signature == str(inspect.Signature(bare)), name
    listed = re.findall(r"^\| ((?:`[\w*]+`(?:, )?)+) \|", text, re.MULTILINE)
    named = [name.strip("`* ") for cell in listed for name in cell.split(",")]
    assert named == list(inspect.signature(bench.evaluate).parameters)


def test_the_navigation_has_every_page() -> None:
    listed = re.findall(r": ([\w/]+\.(?:md|ipynb))$", SITE, re.MULTILINE)
    pages = {file.name for file in (ROOT / "docs").iterdir() if file.suffix in (".md", ".ipynb")}
    assert sorted(listed) == sorted({*pages, "index.md", "benchmarks.md"})


def test_the_three_lines_of_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    model, images, labels, _ = linear_problem(20)
    source = block(ROOT / "README.md", "python", "bench.evaluate")
    exec(source, {"model": model, "images": images, "labels": labels})
    assert "worst case" in capsys.readouterr().out


def test_the_closed_form_runs(capsys: pytest.CaptureFixture[str]) -> None:
    exec(block(ROOT / "docs/tradeoff_closed_form.md", "python", "spatial_rises"), {})
    assert capsys.readouterr().out.endswith("True True\n")


def test_the_title_of_the_picture_is_tested_on_the_rows() -> None:
    rows = PICTURE["read"](ROOT / "leaderboard.csv")
    n, found = PICTURE["curves"](rows, "cifar10")
    assert n == 1000
    assert len(found) == 18
    PICTURE["check"](found)
    plain = next(name for name in found if "pgd_at" in name)
    found[plain.partition(".")[0]] = found[plain]  # a network without attacks in training that stands
    with pytest.raises(SystemExit, match="do not support the title"):
        PICTURE["check"](found)


def plannable() -> list[list[str]]:
    """The shown commands that measure what ships: the zoo on the digits."""
    found = [each for document in DOCUMENTS for each in commands(document) if each[0] in STUDIES]
    elsewhere = re.compile(
        r"--cluster|NAMES?|PATH|DIR|FILE|\.py:|\w+:(?!digits|pgd|fgsm|baseline|equivariant)|cifar|photos|weights"
    )
    here = [each for each in found if not any(elsewhere.search(word) for word in each)]
    return [list(each) for each in dict.fromkeys(map(tuple, here))]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", plannable(), ids=" ".join)
def test_commands_on_what_ships_can_be_planned(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*(word for word in arguments if word != "--dry-run"), "--dry-run"]) == 0


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_site_builds_without_warnings(tmp_path: Path) -> None:
    for module in ("mkdocs", "material", "mkdocstrings_handlers.python", "mkdocs_jupyter"):
        pytest.importorskip(module, reason="the site needs docs/requirements.txt")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert 'id="bench.studies.robustness.api.evaluate"' in (tmp_path / "api/index.html").read_text()
    assert (tmp_path / "reports/digits.html").is_file()
    assert (tmp_path / "search/search_index.json").is_file()
