"""A network that others trained, on the original images of CIFAR-10: its accuracy, and the first look at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.inputs.test_preparation import Capture, own, run
from tests.zoo.test_cifar import SHARED, WHOLE

__all__ = ["own"]  # a fixture

PRETRAINED = SHARED / "pretrained" / "resnet20-12fca82f.th"
RESNET = """
import torch
from torch import nn
from torch.nn import functional as F

class Block(nn.Module):  # He et al. 2016, shortcut A: every second pixel, new channels are 0
    def __init__(self, inside, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inside, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.stride, self.more = stride, out - inside
    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.stride != 1:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more // 2, self.more // 2))
        return F.relu(x + y)

class ResNet(nn.Module):
    def __init__(self, blocks=3):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        def stage(i, o, s):
            return nn.Sequential(*(Block(i if k == 0 else o, o, s if k == 0 else 1) for k in range(blocks)))
        self.layer1, self.layer2, self.layer3 = stage(16, 16, 1), stage(16, 32, 2), stage(32, 64, 2)
        self.linear = nn.Linear(64, 10)
    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.linear(x.mean((2, 3)))

def resnet20():
    model = ResNet()
    state = torch.load(r"FILE", map_location="cpu", weights_only=True)["state_dict"]
    model.load_state_dict({name.removeprefix("module."): value for name, value in state.items()})
    return model
"""
MEAN_STD = ("--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225")


@pytest.fixture
def resnet(own: Path) -> Path:
    if not (WHOLE.is_file() and PRETRAINED.is_file()):
        pytest.skip("the original CIFAR-10 or the published network is not here")
    Path("own.py").write_text(RESNET.replace("FILE", str(PRETRAINED)))
    return WHOLE.parent


@pytest.mark.slow
def test_the_published_resnet20_has_its_published_accuracy(resnet: Path, capsys: Capture) -> None:
    """91.73 % of the 10,000 test images (its authors state 8.27 % error); kernels may move an image or two."""
    words = ("--dataset", "cifar10", "--data-root", resnet, "--n", 10_000, "--eps", "8/255", *MEAN_STD)
    _, row = run(capsys, "resnet20", *words)
    assert 100 * row["clean_acc"] == pytest.approx(91.73, abs=0.02)
    assert row["suspect"] == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "kind", "option"),
    [
        ((), "preparation", "--mean="),
        (("--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225", "--bgr"), "preparation", "--bgr"),
        ((*MEAN_STD, "--classes", "3,1,2,0,4,5,9,7,8,6"), "classes", "--classes=3,1,2,0,4,5,9,7,8,6"),
        (MEAN_STD, "", ""),
    ],
)
def test_the_four_cases_of_the_published_resnet20(
    resnet: Path, capsys: Capture, given: tuple[str, ...], kind: str, option: str
) -> None:
    words = ("--dataset", "cifar10", "--data-root", resnet, "--n", 40, "--eps", "8/255", *given)
    said, row = run(capsys, "resnet20", *words)
    assert row["suspect"] == kind
    assert option in said
    assert ("would apply it" in said) == bool(kind)
