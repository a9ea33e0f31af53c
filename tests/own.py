"""A user's own model file, as text, and the command line called the way a user calls it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.commands.cli import main


def forget_rows() -> None:
    """Takes away the leaderboard of this folder with its full rows."""
    for name in ("leaderboard.csv", "reports/results.csv", "reports/runs.csv"):
        Path(name).unlink()


MODELS = '''
import torch
from torch import nn

print("a model file may print")


class Net(nn.Module):
    """One layer for 16×16 grey images; the normalisation is inside, as it should be."""

    def __init__(self, classes=10):
        super().__init__()
        self.layer = nn.Linear(256, classes)

    def forward(self, x):
        return self.layer((x.flatten(1) - 0.5) / 0.5)


class NaN(Net):
    def forward(self, x):
        return super().forward(x) * float("nan")


class NaNUnderAttack(Net):
    """Finite on the digits' own 17 grey levels, NaN with NaN gradients away from them."""

    def forward(self, x):
        off = (16 * x - (16 * x).round()).abs().flatten(1).amax(1)
        return super().forward(x) + torch.sqrt(0.001 - off)[:, None]


class NoGradients(Net):
    def forward(self, x):
        if x.requires_grad:
            raise RuntimeError("this model has no gradients")
        return super().forward(x)


class RaisesNear(Net):
    """Raises where the left edge, dark in all digits, is grey: under attack, and not near an image."""

    def forward(self, x):
        if x[..., 0].max() > 0.05:
            raise RuntimeError("this is no digit")
        return super().forward(x)


class RaisesFarOff(Net):
    """Raises where the left edge, dark in all digits, is bright."""

    def forward(self, x):
        if x[..., 0].max() > 0.4:
            raise RuntimeError("this is no digit")
        return super().forward(x)


class Raises(Net):
    def forward(self, x):
        raise RuntimeError("two\\nlines")


class Doubled(Net):
    """The same tensors as Net, another function."""

    def forward(self, x):
        return -super().forward(x)


def net(): return Net()
def doubled(): return Doubled()
def nan(): return NaN()
def nan_under_attack(): return NaNUnderAttack()
def no_gradients(): return NoGradients()
def raises_near(): return RaisesNear()
def raises_far_off(): return RaisesFarOff()
def raises(): return Raises()
def few_classes(): return Net(classes=3)
def two_classes(): return Net(classes=2)
def many_classes(): return Net(classes=11)
def lazy(): return nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
def a_tuple(): return type("Pair", (Net,), {"forward": lambda self, x: (x, x)})()
def two_tensors():
    def forward(self, x): return Net.forward(self, x), x.flatten(1)
    return type("Two", (Net,), {"forward": forward})()
def a_class(): return Net
def with_optimiser(): return Net(), torch.optim.SGD(Net().parameters())
def forgets_return(): Net()
def no_module(): return "a model"
def failing(): raise ValueError("cannot be built")
def needs_an_argument(size): return Net()
def unseeded():
    import numpy
    net = Net()
    net.layer.bias.data[0] = numpy.random.default_rng().random()
    return net
'''


def write_models(folder: Path, name: str = "own.py") -> Path:
    """Puts the model file into a folder."""
    path = folder / name
    path.write_text(MODELS, encoding="utf-8")
    return path


def write_images(folder: Path, n: int = 6) -> Path:
    """An image folder of two classes, n random 16×16 grey PNGs in each class of each split."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for place, name in enumerate(("dark", "light")):
            inside = folder / split / name
            inside.mkdir(parents=True)
            for i in range(n):
                pixels = random.integers(100 * place, 120 + 100 * place, (16, 16), dtype=np.uint8)
                Image.fromarray(pixels).save(inside / f"{i}.png")
    return folder


@dataclass(frozen=True)
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str


def call(capsys: pytest.CaptureFixture[str], *words: Any) -> Answer:
    """``bench WORDS…`` in this process."""
    capsys.readouterr()
    try:
        code = main([str(word) for word in words])
    except SystemExit as stop:  # argparse
        code = int(stop.code or 0)
    said = capsys.readouterr()
    return Answer(code, said.out, said.err)
