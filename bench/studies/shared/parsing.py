"""Parses the command line; a refusal is one short line."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from typing import Any, NoReturn

EXIT_USAGE = 2


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Shows the default of every option that has one; a help that says "default" states its own."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        silent = action.default in (None, False, "", argparse.SUPPRESS) or not action.option_strings
        return text if silent or "default" in text else f"{text} (default %(default)s)"


class Parser(argparse.ArgumentParser):
    """Refuses in one line, like every other refusal here; does not accept shortened option names."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, "formatter_class": Formatter, **options})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        for word in sys.argv[1:] if args is None else args:
            if word.startswith("--") and word.endswith("=--"):  # argparse of Python 3.11 makes [] of that
                self.error(f"{word.removesuffix('=--')} was given the value '--'")
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._meant(unknown[0])}")
        return found, unknown

    def _meant(self, word: str) -> str:
        """The option of this command most like a word; empty where none is."""
        shown = [
            text
            for action in self._actions
            if action.help != argparse.SUPPRESS
            for text in action.option_strings
        ]
        close = difflib.get_close_matches(word.partition("=")[0], shown, n=1, cutoff=0.7)
        return f"; did you mean {close[0]}?" if close else ""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"bench: error: {shortened(message)}; see {self.prog} --help\n")


def positive(text: str) -> int:
    """A whole number of 1 or more, checked before anything heavy is imported."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return number


def shortened(message: str) -> str:
    """A message with long words, such as a user's value, cut to the length of a line."""
    return re.sub(r"\S{200,}", lambda found: f"{found[0][:80]}… ({len(found[0])} characters)", message)
