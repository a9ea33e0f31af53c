"""The history of a store's runs of one kind."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from bench.engine.store import MemoryStore
from bench.inputs.model_info import ModelInfo
from bench.studies.shared.collect import history
from bench.studies.shared.commands import joined_commands, newest_command


def model(name: str, weights: str = "a") -> ModelInfo:
    return ModelInfo(name=name, weights=64 * weights, trained_on="digits", parameters=1, origin="zoo")


Told = tuple[str, list[ModelInfo], list[str]]


def told(*runs: tuple[str, tuple[ModelInfo, ...]]) -> list[Told]:
    """Settings, here a single word, with models and commands, as the history has them after these runs."""
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

    def collect(_: object, setting: str, models: Any, *, command: str, **__: object) -> Told:
        return setting, list(models), command.splitlines()

    return history(store, "drawing", "digits", lambda fields: fields["word"], collect)


def test_settings_asked_for_last_come_first_with_all_their_models() -> None:
    one, two, three = model("one"), model("two"), model("three")
    found = told(("a", (one, two)), ("b", (three,)), ("a", (three,)))
    assert found == [("a", [three, one, two], ["run 0", "run 2"]), ("b", [three], ["run 1"])]


def test_of_weights_that_share_a_name_the_newest_are_taken() -> None:
    old, new, other = model("net", "a"), model("net", "b"), model("other")
    assert told(("a", (old, other)), ("a", (new,))) == [("a", [new, other], ["run 0", "run 1"])]
    assert replace(new, weights=old.weights) == old


def test_a_command_that_only_measured_what_newer_ones_did_is_left_out() -> None:
    one, two, three = model("one"), model("two"), model("three")
    assert told(("a", (one,)), ("a", (two,)), ("a", (one, three)))[0][2] == ["run 1", "run 2"]
    runs = [("new", "ab"), ("new", "c"), ("covered", "abc"), ("old", "cd")]
    assert joined_commands(runs) == "old\nnew"
    assert newest_command(joined_commands(runs)) == "new"
    assert (joined_commands([]), newest_command("one")) == ("", "one")
