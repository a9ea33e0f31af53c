"""The notebook of the documentation runs, and its committed outputs are what it gives."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.house.documents import ROOT

NOTEBOOK = ROOT / "docs/own_model.ipynb"


def kinds(cells: list[dict[str, Any]]) -> list[list[str]]:
    """The kinds of output of each cell of code."""
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    return [[kind for each in cell["outputs"] for kind in sorted(each.get("data", ()))] for cell in code]


def test_the_committed_notebook_shows_table_and_curves() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    shown = [kind for cell in kinds(cells) for kind in cell]
    assert shown.count("text/html") == 2  # the results and the table of pandas
    assert shown.count("image/png") == 1
    assert "error" not in {each["output_type"] for cell in cells for each in cell.get("outputs", ())}
    assert NOTEBOOK.stat().st_size < 100_000


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_notebook_runs() -> None:
    nbclient = pytest.importorskip("nbclient", reason="`pip install '.[test]'` brings nbclient")
    pytest.importorskip("ipykernel", reason="`pip install '.[test]'` brings ipykernel")
    import nbformat

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    before = kinds(notebook.cells)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT)}}).execute()
    assert kinds(notebook.cells) == before
