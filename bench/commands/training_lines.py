"""The lines of a training on stderr."""

from __future__ import annotations

import sys
from time import monotonic as _now

from bench.commands.progress_lines import SECONDS, clock
from bench.studies.shared.screen import say
from zoo.recipes import Recipe
from zoo.train import Progress

# seconds between two lines of the running epoch on a terminal: each reads its loss from the device
EVERY = 1.0


class Lines:
    """Prints a headline, a line at the start of each stage, one for each epoch, and the progress of the running epoch.

    If stderr is no terminal the running epoch has a line of its own every ten seconds.
    """

    def __init__(self, headline: str, recipe: Recipe) -> None:
        self._headline = headline
        self._recipe = recipe
        self._stage = 0 if recipe.stages else 1
        self._live = sys.stderr.isatty()
        self._every = EVERY if self._live else SECONDS
        self._shown = -EVERY if self._live else _now()

    def __call__(self, now: Progress) -> None:
        if self._headline:  # only now it is certain that training can begin
            say(self._headline)
            self._headline = ""
        if now.stage != self._stage:
            self._stage = now.stage
            stages = len(self._recipe.stages)
            say(f"stage {now.stage} of {stages}: rotation ±{now.rotation:g}°, ε {now.eps:.4g}")
        if now.test_accuracy is not None:
            robust = "" if now.held_out is None else f"  held out {100 * now.held_out:.2f} %"
            start = "\r" if self._live else ""
            say(f"{start}{_standing(now)}{robust}  test {100 * now.test_accuracy:.2f} %   ")
            self._shown = _now()
        elif _now() - self._shown >= self._every:
            self._shown = _now()
            start, end = ("\r", "   ") if self._live else ("", "\n")
            text = f"{start}{_standing(now)}  {now.batch}/{now.batches}{end}"
            print(text, end="", file=sys.stderr, flush=True)


def _standing(now: Progress) -> str:
    return (
        f"epoch {now.epoch}/{now.epochs}  loss {now.loss:.4f}  accuracy {100 * now.accuracy:.1f} %  "
        f"{clock(now.seconds_left)} left"
    )
