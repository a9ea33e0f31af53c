"""A user's request, before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from bench.attacks import Request
from bench.engine.protocols import SOUND
from bench.inputs.preparation import AS_IT_IS, Preparation
from bench.inputs.sources import DataSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A user's request.

    Attributes:
        models: names of the zoo, ``file.py:factory``, ``library:name`` or entry points.
        requests: attacks with their parameters; none under a released protocol, which brings its own.
        data: source of the images.
        names: names in rows of the models from files, in their order; none for those of the files.
        weights: weights file of a user's own model.
        weights_from: data set or directory the zoo's weights come from, if not the data set's own.
        eps: the grid as given; ``None`` for the data set's default, ``("paper",)`` for the paper's.
        n: images; ``None`` for the default.
        batch: images of a shard; ``None`` for the default, which on a GPU its memory decides.
        norm, seed, independent, device: of the evaluation.
        protocol: ``sound``, ``released:`` with the name of a script, or ``released``: for each model the
            script of its own architecture (see ``prepare_each``).
        command: the command as pages show it.
        download: whether a missing data set or a library's missing weights may be fetched.
        mce_baseline: model that corruption errors are divided by; empty for the zoo's ``baseline_cnn``.
        preparation: steps before a user's own models; its classes are named by ``outputs``.
        outputs: the output of a user's own models for each class, or the names of all their outputs; see
            ``bench.inputs.preparation.output_numbers``.
        suspect: accept models whose logits are not finite or give no gradients, as for an audit, which reports this
            itself.
    """

    models: tuple[str, ...]
    requests: tuple[Request, ...]
    data: DataSource
    names: tuple[str, ...] = ()
    weights: str | None = None
    weights_from: str | None = None
    eps: tuple[str | float, ...] | None = None
    n: int | None = None
    batch: int | None = None
    norm: str = "linf"
    seed: int = 0
    independent: bool = False
    protocol: str = SOUND.name
    device: str = "cpu"
    command: str = ""
    download: bool = False
    mce_baseline: str = ""
    preparation: Preparation = AS_IT_IS
    outputs: tuple[str, ...] = ()
    suspect: bool = False
