"""A cell's key is a function of exactly what determines its result."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.engine.cell import Cell, canonical_json, parent_of, sorted_params
from tests.toys import attack_cell

CHANGED = {
    "kind": "clean",
    "model": "other",
    "weights": "v",
    "dataset": "other",
    "data": "e",
    "first": 100,
    "count": 63,
    "attack": "fgsm",
    "library": "foolbox==3.3.4",
    "params": (("steps", 6),),
    "norm": "l2",
    "eps": 0.021,
    "seed": 1,
    "protocol": "sound/2",
    "backend": "cuda",
    "parent": "p:e",
}


def test_every_field_is_in_the_key() -> None:
    assert set(CHANGED) == {field.name for field in dataclasses.fields(Cell)}


@pytest.mark.parametrize("field", CHANGED)
def test_each_field_changes_the_key(field: str) -> None:
    cell = attack_cell()
    assert cell.derive(**{field: CHANGED[field]}).key != cell.key


def test_key_is_pinned() -> None:
    """The key names files in users' stores: changing how it is made would orphan them all."""
    assert attack_cell().key == "c52d2aecce9ffa57ecf0cdb08c0753eab5a31ca36e020bb3724d02670c132b3a"


def test_key_is_the_same_in_another_process() -> None:
    code = "from tests.toys import attack_cell; print(attack_cell().key)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == attack_cell().key


@given(
    st.dictionaries(
        st.text(max_size=5), st.one_of(st.none(), st.booleans(), st.integers(), st.text()), max_size=4
    )
)
def test_params_have_one_spelling(params: dict[str, str | int | bool | None]) -> None:
    turned = dict(reversed(params.items()))
    assert sorted_params(params) == sorted_params(turned)


def test_json_round_trip_keeps_the_key() -> None:
    cell = attack_cell()
    again = Cell.from_json(json.loads(canonical_json(dataclasses.asdict(cell))))
    assert again == cell
    assert again.key == cell.key


def test_not_a_number_never_enters_a_key() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        _ = attack_cell(eps=float("nan")).key


def test_parent_names_the_cell_and_what_came_out() -> None:
    assert parent_of("a", "b") != parent_of("a", "c")
    assert parent_of("a", "b") != parent_of("c", "b")
