"""A user's own architectures: builds them for training and finds their trained weights.

Trained by a recipe, ``FILE.py:FACTORY`` is ``FILE.py:FACTORY.RECIPE``, with ``@SEED`` for another seed than 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bench.errors import UsageError
from bench.inputs import own_models
from bench.inputs.outputs import giving_logits
from bench.inputs.probe import probe
from bench.inputs.switches import put_back
from zoo.entries import Entry, own

_ASKED = re.compile(r"(?P<path>.+\.py):(?P<factory>[A-Za-z_]\w*)(?P<tags>[.@].+)?")


@dataclass(frozen=True, slots=True)
class Architecture:
    """A factory in a file.

    Attributes:
        path: of the file, as it was given.
        factory: name of the function.
    """

    path: str
    factory: str

    @property
    def name(self) -> str:
        """``file:function``, without where the file lies."""
        return f"{Path(self.path).stem}:{self.factory}"

    @property
    def target(self) -> str:
        """The factory with the absolute path; ``UsageError`` if there is no such file."""
        return f"{own_models.resolved(self.path)}:{self.factory}"

    def shown(self, name: str) -> str:
        """A trained model's name as ``--model`` takes it."""
        return f"{self.path}:{name.partition(':')[2]}"

    def build(self) -> nn.Module:
        """A fresh model that gives only logits, with torch's global random state; errors as for ``--model``."""
        with put_back(f"the factory of {self.name!r}"):
            model = own_models.drawn(own_models.from_file(self.target), self.name)
        if isinstance(model, torch.jit.ScriptModule):
            raise UsageError(
                f"the factory of {self.name!r} gives a TorchScript module, which is not trained here"
            )
        return giving_logits(model)

    def check(self, x: Float[Tensor, "n c h w"], classes: int) -> None:
        """Raises ``UsageError`` unless a fresh model gives finite logits (n, classes) and has trainable parameters."""
        with torch.random.fork_rng(devices=[]):
            model = self.build()
            if not any(value.requires_grad for value in model.parameters()):
                raise UsageError(
                    f"model {self.name!r} has no parameters that require gradients; nothing can be trained"
                )
            probe(self.name, model.eval(), x, classes)


def asked(text: str) -> tuple[Architecture, Entry] | None:
    """What ``FILE.py:FACTORY[.RECIPE[-best]][@SEED]`` means (default recipe ``standard``); ``None`` for other texts.

    Raises:
        UsageError: the text after the factory is neither a recipe nor a seed.
    """
    if (found := _ASKED.fullmatch(text)) is None:
        return None
    architecture, tags = Architecture(found["path"], found["factory"]), found["tags"] or ""
    entry = own(architecture.name + (tags if tags.startswith(".") else f".standard{tags}"))
    if entry is None:
        raise UsageError(
            f"{text!r} ends in {tags!r}; write FILE.py:FACTORY.RECIPE, and @SEED for another seed than 0"
        )
    return architecture, entry


def is_trained(text: str) -> bool:
    """Whether a text names trained weights of an architecture, and not a factory alone."""
    found = _ASKED.fullmatch(text)
    return found is not None and found["tags"] is not None
