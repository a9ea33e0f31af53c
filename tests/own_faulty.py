"""A model file of models that gradient attacks cannot attack, or that change what is not theirs."""

from __future__ import annotations

import os
import random
import sys
import warnings

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Net(nn.Module):
    """One layer, for 16×16 grey images where nothing else is said."""

    def __init__(self, values: int = 256) -> None:
        super().__init__()
        self.layer = nn.Linear(values, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(1))


class Detached(Net):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.detach())


class Rounds(Net):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward((16 * x).round() / 16)


class ThroughNumpy(Net):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(torch.from_numpy(np.round(x.detach().numpy(), 1)))


class OneHot(Net):
    def forward(self, x: Tensor) -> Tensor:
        return F.one_hot(super().forward(x).argmax(1), 10)


class NoGrad(Net):
    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class Inference(Net):
    @torch.inference_mode()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class Refuses(Net):
    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad:
            raise RuntimeError("for inference only")
        return super().forward(x)


class InPlace(Net):
    """The same function as ``Net`` with the images halved."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mul_(0.5))


class Halved(Net):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x * 0.5)


def net() -> nn.Module:
    return Net()


def detached() -> nn.Module:
    return Detached()


def rounds() -> nn.Module:
    return Rounds()


def through_numpy() -> nn.Module:
    return ThroughNumpy()


def one_hot() -> nn.Module:
    return OneHot()


def no_grad() -> nn.Module:
    return NoGrad()


def inference() -> nn.Module:
    return Inference()


def refuses() -> nn.Module:
    return Refuses()


def quantised() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch is moving its quantisation to another package
        return torch.ao.quantization.quantize_dynamic(Net().eval(), {nn.Linear}, dtype=torch.qint8)


def in_place() -> nn.Module:
    return InPlace()


def halved() -> nn.Module:
    return Halved()


def scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch asks for torch.export instead
        return torch.jit.script(Net())


def traced() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(Net(), torch.rand(2, 1, 16, 16))


def double() -> nn.Module:
    return Net().double()


def exits() -> nn.Module:
    sys.exit(3)


def half() -> nn.Module:
    return Net().bfloat16()


def moves() -> nn.Module:
    """Changes everything global that it can."""
    os.chdir("elsewhere")
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(3)
    torch.set_grad_enabled(False)
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    return Net().float()
