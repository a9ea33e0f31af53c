"""The history of a store's runs of one kind."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from bench.engine.store import MemoryStore
from bench.inputs.model_info import ModelInfo
from bench.studies.shared.collect import history


def model(name: str, weights: str = "a") -> ModelInfo:
    return ModelInfo(name=name, weights=64 * weights, trained_on="digits", parameters=1, origin="zoo")


def told(*runs: tuple[str, tuple[ModelInfo, ...]]) -> list[tuple[str, list[ModelInfo]]]:
    """Settings, here a single word, with their models, as the history has them after these runs."""
    store = MemoryStore()
    for at, (word, models) in enumerate(runs):
        store.put_run(
            {
                "kind": "drawing",
                "setting": {"dataset": "digits", "word": word},
                "models": [asdict(each) for each in models],
                "versions": {},
                "command": f"run {at}",
            }
        )

    def collect(_: object, setting: str, models: Any, **__: object) -> tuple[str, list[ModelInfo]]:
        return setting, list(models)

    return history(store, "drawing", "digits", lambda fields: fields["word"], collect)


def test_settings_asked_for_last_come_first_with_all_their_models() -> None:
    one, two, three = model("one"), model("two"), model("three")
    found = told(("a", (one, two)), ("b", (three,)), ("a", (three,)))
    assert found == [("a", [three, one, two]), ("b", [three])]


def test_of_weights_that_share_a_name_the_newest_are_taken() -> None:
    old, new, other = model("net", "a"), model("net", "b"), model("other")
    assert told(("a", (old, other)), ("a", (new,))) == [("a", [new, other])]
    assert replace(new, weights=old.weights) == old
