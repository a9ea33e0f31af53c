"""What the site shows of files outside docs/: the README as its first page, benchmarks, and the pages that ship."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {"index.md": "README.md", "benchmarks.md": "benchmarks/README.md"}
FOLDERS = ("reports",)
LINK = re.compile(r"(\]\()((?!\w+:|#)[^)\s#]+)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds what lies outside docs/ under the address that links are turned into."""
    for address, source in PAGES.items():
        files.append(File.generated(config, address, content=(ROOT / source).read_text()))
    shipped = [each for folder in FOLDERS for each in (ROOT / folder).rglob("*") if each.is_file()]
    for each in [*shipped, ROOT / "LICENSE"]:
        address = each.relative_to(ROOT).as_posix()
        files.append(File.generated(config, address, abs_src_path=str(each)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Links as they are in the repository, turned into those of the site."""
    source = PAGES.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    return LINK.sub(lambda match: match.group(1) + address(source, match.group(2)), markdown)


def address(source: str, target: str) -> str:
    """Where the site has the file that ``target`` means in a file of the repository; all pages lie at its top."""
    path = (ROOT / source).parent.joinpath(target).resolve()
    if not path.is_relative_to(ROOT):
        return target
    inside = path.relative_to(ROOT).as_posix()
    by_source = {file: page for page, file in PAGES.items()}
    return by_source.get(inside, inside.removeprefix("docs/"))
