"""What the numbers mean: units of ε, input space, clamp, batch-norm mode, what counts as broken.

Every cell and every row carries the name of its protocol; rows of different protocols are never ranked
together.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Rules of an evaluation.

    Attributes:
        name: what rows show.
        version: raised whenever the rules, or the code that applies them, change the numbers.
        accepted_linf: deviation from the ball or the box that counts as rounding, L∞, in pixel units.
        accepted_relative: the same for L2, as a share of ε.
        projected: deviation up to which an image is projected and judged again; beyond it the cell fails.
        summary: the rules in words, for reports.
    """

    name: str
    version: int
    accepted_linf: float
    accepted_relative: float
    projected: float
    summary: str

    @property
    def label(self) -> str:
        """Name and version, as stored in cells."""
        return f"{self.name}/{self.version}"


SOUND = Protocol(
    name="sound",
    version=1,
    accepted_linf=1e-6,
    accepted_relative=1e-5,
    projected=1e-4,
    summary=(
        "Images lie in [0, 1] and ε is in pixel units; normalisation is the model's first layer; the model "
        "is in eval mode and unchanged by the attack. An attacked image counts only if a fresh look finds "
        "it inside the ball and the box; an image is robust only if it is classified rightly both clean and "
        "attacked, with finite logits. PGD accuracy is an upper bound on robust accuracy."
    ),
)

PROTOCOLS: dict[str, Protocol] = {SOUND.name: SOUND}
