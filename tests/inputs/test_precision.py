"""Training in bfloat16: the same steps but for rounding, said by the weights' record, the same bits each time."""

import dataclasses
from pathlib import Path

import pytest
import torch

from tests.staged import STAGED, TRAIN, files, run
from zoo.losses import learned
from zoo.models import build
from zoo.recipes import recipe
from zoo.train import Trained


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return run(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("name", ["standard", "fgsm_mix", "trades"])
def test_bfloat16_is_the_same_step_but_for_rounding(name: str) -> None:
    torch.manual_seed(0)
    model = build("equivariant_gcnn_4", channels=1, size=16)
    x, y = TRAIN.images(0, 64), TRAIN.targets(0, 64)
    found = []
    for precision in ("float32", "bfloat16"):
        ours = recipe(name, 16)
        # one step of the attack: signs of slopes near zero drive longer ones apart
        ours = dataclasses.replace(ours, precision=precision, random_start=False, steps=min(ours.steps, 1))
        torch.manual_seed(1)
        loss, logits = learned(model, x, y, ours, ours.eps)
        model.zero_grad()
        loss.backward()
        slopes = torch.cat([value.grad.flatten() for value in model.parameters()])
        assert loss.dtype == logits.dtype == slopes.dtype == torch.float32
        found.append((loss.item(), slopes))
    (loss, slopes), (rounded, rounded_slopes) = found
    assert 0 < abs(rounded - loss) < 0.02 * loss
    assert torch.nn.functional.cosine_similarity(slopes, rounded_slopes, dim=0) > 0.95


def test_bfloat16_is_stored_with_the_weights_and_repeats_bit_for_bit(whole: Trained, tmp_path: Path) -> None:
    quick = dataclasses.replace(STAGED, precision="bfloat16")
    first, second = (run(tmp_path / place, recipe=quick) for place in ("first", "second"))
    assert files(first) == files(second)
    assert files(first) != files(whole)
    assert first.record.recipe["precision"] == "bfloat16"
    assert "precision" not in whole.record.recipe
