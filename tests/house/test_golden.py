"""Keys of cells do not change: else everything that users have stored would be measured again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.golden import KEYS, compared, made


@pytest.mark.slow
def test_keys_are_those_committed_and_two_makings_are_equal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = made(), made()
    assert first["keys"] == json.loads(KEYS.read_text())
    assert list(compared(first, second)) == []
    assert {"clean", "attack"} < {run.get("kind", "attack") for run in first["runs"]} | {"clean"}
