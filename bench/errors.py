"""Errors that a user can act on: one clear sentence each, with an exit code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from zoo.errors import UserError

MOST_NAMES = 50  # in one message


class UsageError(UserError):
    """The request cannot be done; the message says the value and the remedy (exit 2)."""


class CellError(Exception):
    """An attack or a measurement failed: its cell is named as failed, all others are kept (exit 1)."""


def in_words(fault: BaseException) -> str:
    """The exception in one line."""
    return " ".join(str(fault).split()) or type(fault).__name__


def nearest(value: str, known: Iterable[str]) -> str:
    """The known names most like ``value``, for the end of an error message; up to 50 of them if none is like it."""
    known = list(known)
    close = difflib.get_close_matches(value, known, n=3, cutoff=0.5)
    return (
        "nearest: " + ", ".join(close)
        if close
        else "known: " + ", ".join(known[:MOST_NAMES]) + ", …" * (len(known) > MOST_NAMES)
    )


def data_in_words(dataset: str) -> str:
    """The name of a data set; of the one that is measured on where none is named, it says so."""
    return f"{dataset} (the default data set)" if dataset == "digits" else dataset
