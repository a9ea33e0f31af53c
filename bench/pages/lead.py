"""The first screen of a page, and the part of it that the index repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """Something that could change the finding: a sentence, and the command that would show it; empty for none."""

    text: str
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """The first screen of a page.

    Attributes:
        study: its subject, as ``adversarial robustness``.
        dataset: name of the data set.
        finding: the finding in a sentence.
        verdict: whether it may be believed, in a sentence or two.
        about: the measured models, images and attacks.
        changes: measurements that could change the finding.
        failed: names of failed cells, with the reason.
    """

    study: str
    dataset: str
    finding: str
    verdict: str
    about: str
    changes: tuple[Change, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """A title that no other page in the folder has."""
        return f"{self.dataset}: {self.study}"


def listed(names: Sequence[str], most: int = 4) -> str:
    """Names as ``a, b and c``; from more than ``most`` the first ones and the number of others."""
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} others"
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun, as ``1 model`` or ``1,000 images``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def failures(count: int) -> str:
    """The sentence above the failed cells."""
    return (
        f"{counted(count, 'cell')} failed; what depends on {'it' if count == 1 else 'them'} is missing here:"
    )
