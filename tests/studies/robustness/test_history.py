"""The requests of a store's runs, joined for a page."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from bench.attacks import parse_requests
from bench.studies.robustness.history import chapter_of
from bench.studies.shared.commands import joined_commands
from tests.engine.test_run import World


def test_a_page_names_every_run_that_it_rests_on() -> None:
    world = World(2)
    other = replace(world.info, name="other")

    def run(command: str, attacks: str, *models: Any) -> dict[str, Any]:
        return {
            "setting": asdict(world.setting),
            "models": [asdict(each) for each in models],
            "requests": [each.stored() for each in parse_requests(attacks.split(","), params={})],
            "classes": ["a", "b"],
            "versions": {},
            "command": command,
        }

    chapter = chapter_of(run("weaker", "fgsm", world.info))
    chapter.add(run("surrogates", "pgd", world.info))
    chapter.add(run("both", "fgsm", world.info, other))
    assert joined_commands(chapter.runs) == "surrogates\nboth"
    chapter.add(run("all", "fgsm,pgd", world.info, other))
    assert joined_commands(chapter.runs) == "all"
