"""Attacks that are made to transfer: exact on linear models, and on surrogates of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.attacks import ATTACKS, adapter, parse_requests
from bench.attacks.measure import measure
from bench.attacks.own import Attacker
from bench.attacks.surrogate import borrowed
from bench.attacks.transferred import Surrogate
from bench.commands.cli import main
from bench.errors import CellError, UsageError
from tests.attacks.test_measure import cell_for
from tests.toys import Linear
from zoo import registry

TRANSFERS = [
    name for (name, of), spec in ATTACKS.items() if of == "torchattacks" and "surrogate" in spec.params
]
NAMES = pytest.mark.parametrize("name", TRANSFERS)
FILE = """
import torch
from torch import nn

class Flat(nn.Module):
    def __init__(self, sign):
        super().__init__()
        self.weight = nn.Parameter(torch.full((256, 10), 0.0))
        self.weight.data[:, 1] = sign

    def forward(self, x):
        return x.flatten(1) @ self.weight

def brighter():
    return Flat(1.0)

def wide():
    return nn.Sequential(nn.Flatten(), nn.Linear(256, 3))
"""


def one_sign(n: int = 32) -> tuple[Linear, Tensor, Tensor, np.ndarray]:
    """A linear model whose pixels all speak for one class, so that shrunk, padded and blurred gradients do too."""
    generator = torch.Generator().manual_seed(0)
    weight = 0.5 + torch.rand(3, 16, 16, generator=generator)
    x = 0.5 + 0.1 * (torch.rand(n, 1, 1, 1, generator=generator) - 0.5) + torch.zeros(n, 3, 16, 16)
    model = Linear(0.01 * weight).requires_grad_(False).eval()
    score = model(x)[:, 1]
    return model, x, (score > 0).long(), (score.abs() / model.weight.sum()).numpy()


@NAMES
def test_a_linear_model_breaks_exactly_within_its_radius(name: str) -> None:
    model, x, y, radius = one_sign()
    for eps in (0.5 * float(np.median(radius)), 1.2 * float(np.median(radius))):
        cell = cell_for(name, "torchattacks", "linf", eps, steps=10, alpha=0.25 * eps).derive(count=len(x))
        arrays = measure(cell, model, x, y, np.ones(len(x), dtype=bool)).arrays
        sure = np.abs(radius - eps) > 1e-5
        assert np.array_equal(arrays["standing"][sure], (radius > eps)[sure])
        assert np.nanmax(arrays["distance"]) <= eps + 1e-6


@NAMES
def test_a_surrogate_decides_where_the_steps_go(name: str) -> None:
    """One of the same kind breaks what the model's own gradients do, its opposite nothing, whatever the model is."""
    model, x, y, radius = one_sign()
    eps = float(np.median(radius)) * 1.2
    opposite = Linear(-model.weight.detach()).requires_grad_(False).eval()
    cell = cell_for(name, "torchattacks", "linf", eps, steps=10, alpha=0.25 * eps).derive(count=len(x))
    standing = [
        measure(cell, model, x, y, np.ones(len(x), dtype=bool), Attacker(Surrogate({"other": other})))
        .arrays["standing"]
        for other in (model, opposite)
    ]  # fmt: skip
    assert np.array_equal(standing[0], radius > eps)
    assert standing[1].all()


def test_an_ensemble_is_the_mean_of_its_logits() -> None:
    model, x, _, _ = one_sign(4)
    other = Linear(3 * model.weight.detach(), 1.0)
    both = Surrogate({"one": model, "other": other})
    torch.testing.assert_close(both(x), (model(x) + other(x)) / 2)
    with pytest.raises(CellError, match=r"different classes \(one 2, three 3\)"):
        Surrogate({"one": model, "three": nn.Sequential(nn.Flatten(), nn.Linear(768, 3))})(x)
    with pytest.raises(CellError, match=r"surrogate one cannot take images of shape \(3, 8, 8\)"):
        Surrogate({"one": model})(x[:, :, :8, :8])


@NAMES
def test_an_image_without_a_gradient_stays(name: str) -> None:
    model, x, y, _ = one_sign(2)
    flat = Linear(torch.zeros_like(model.weight)).requires_grad_(False).eval()
    call = adapter(name, "torchattacks")
    assert torch.equal(call(flat, x, y, norm="linf", eps=0.1, alpha=0.02, steps=3), x)
    with pytest.raises(CellError, match="in norm l2"):
        call(flat, x, y, norm="l2", eps=0.1, alpha=0.02, steps=3)


def test_images_that_cannot_be_resized_or_blurred_are_named() -> None:
    _, x, y, _ = one_sign(1)
    params: dict[str, Any] = {"norm": "linf", "eps": 0.1, "alpha": 0.02, "steps": 1}
    with pytest.raises(CellError, match="16×8; use mi_fgsm"):
        adapter("di_fgsm", "torchattacks")(nn.Identity(), x[..., :8], y, **params)
    with pytest.raises(CellError, match="3 channels, and these have 1; use di_fgsm"):
        adapter("ti_fgsm", "torchattacks")(nn.Identity(), x[:, :1], y, **params)


def test_requests_say_the_weights_of_every_member() -> None:
    digits = [registry.find(name, "digits").sha256[:16] for name in ("baseline_cnn", "baseline_cnn.pgd_at")]
    text = f"digits/baseline_cnn#{digits[0]}+digits/baseline_cnn.pgd_at#{digits[1]}"
    assert borrowed("digits/baseline_cnn,digits/baseline_cnn.pgd_at") == (text, None)
    assert borrowed(text) == (text, None)
    assert borrowed("") == ("", None)
    (request,) = parse_requests(["mi_fgsm"], params={"surrogate": text})
    assert dict(request.params)["surrogate"] == text


def test_ones_own_surrogate_and_an_ensemble_run_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(FILE)
    words = ["run", "--model", "baseline_cnn_4", "--attacks", "mi_fgsm,transfer", "--eps", "0.1", "--n", "10"]
    small = ["--workers", "1", "--steps", "3"]
    assert main([*words, *small, "--surrogate", f"{tmp_path}/mine.py:brighter,baseline_cnn"]) == 0
    assert main([*words, *small, "--surrogate", "baseline_cnn_4"]) == 0
    table = Path("leaderboard.csv").read_text()
    assert "surrogate=mine:brighter#" in table
    assert "+digits/baseline_cnn#" in table
    page = Path("reports/digits.html").read_text()
    assert str(tmp_path) not in page + table
    capsys.readouterr()
    assert main([*words, *small, "--surrogate", "mine.py:wide,baseline_cnn"]) == 1
    assert "different classes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("surrogate", "said"),
    [
        ("digits/resnet", "surrogate 'digits/resnet' cannot be loaded: unknown model 'resnet'"),
        ("mine.py:brighter", "no model file 'mine.py'"),
    ],
)
def test_surrogates_that_are_not_there_are_named(
    surrogate: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=said):
        parse_requests(["mi_fgsm"], params={"surrogate": surrogate})
