"""Which models a trade-off is of: replicas, missing ones, and how all were trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from PIL import Image

from bench.commands.cli import main
from bench.inputs.sources import DataSource
from bench.studies.shared.ask import Ask
from bench.studies.tradeoff.evaluation import TradeoffPlan, TradeoffSizes, plan_tradeoff
from tests.tradeoff_factory import weights
from zoo import registry

OWN = (
    "from torch import nn\ndef small():\n    import torch\n    torch.manual_seed(0)\n"
    "    return nn.Sequential(nn.Flatten(), nn.Linear(256, 10))\n"
)


def plan(place: str, *models: str, data: str = "digits", seeds: int = 3) -> TradeoffPlan:
    """What would be measured of these models, PGD alone."""
    ask = Ask(models=models, requests=(), data=DataSource(spec=data), n=2, weights_from=place)
    return plan_tradeoff(ask, TradeoffSizes(attack="pgd", seeds=seeds), options="--dataset digits")


def names(found: TradeoffPlan) -> list[str]:
    return [info.name for _, info in found.pgd.models]


def test_a_replica_without_weights_is_named_and_the_others_are_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = weights(tmp_path / "few", {"baseline_cnn": "baseline_cnn"})
    asked = ("baseline_cnn", "baseline_cnn.cusp@1")
    found = plan(place, *asked)
    assert names(found) == ["baseline_cnn"]
    command = "bench train baseline_cnn.cusp@1 --dataset digits --out few"
    assert found.page["missing"] == {"baseline_cnn.cusp@1": command}
    argv = ["tradeoff", "--models", ",".join(asked), "--weights-from", place, "--n", "2", "--dry-run"]
    assert main([*argv, "--store", str(tmp_path / "store")]) == 0
    said = "baseline_cnn.cusp@1 has no weights for these images and is left out; bench train"
    assert said in capsys.readouterr().err


def test_a_model_of_which_another_replica_is_there_is_not_left_out(tmp_path: Path) -> None:
    place = weights(tmp_path / "few", {"baseline_cnn.pgd_at@1": "baseline_cnn.pgd_at"})
    found = plan(place, "baseline_cnn.pgd_at", "baseline_cnn.cusp")
    assert names(found) == ["baseline_cnn.pgd_at@1"]
    assert list(found.page["missing"]) == ["baseline_cnn.cusp"]
    with pytest.raises(registry.WeightsError, match=r"no weights of baseline_cnn\.pgd_at for digits"):
        plan(place, "baseline_cnn.pgd_at", seeds=1)  # now there is nothing at all


def test_with_a_model_of_ones_own_there_is_something_to_measure(tmp_path: Path) -> None:
    place = weights(tmp_path / "few", {"baseline_cnn": "baseline_cnn"})
    (tmp_path / "mine@2.py").write_text(OWN)
    found = plan(place, f"{tmp_path / 'mine@2.py'}:small", "baseline_cnn.cusp@2")
    assert names(found) == ["mine@2:small"]
    assert list(found.page["missing"]) == ["baseline_cnn.cusp@2"]
    assert found.page["training"] == {}


def test_models_trained_on_other_data_need_no_held_out_images_of_this(tmp_path: Path) -> None:
    """Of one image a class no tenth can be held out; the weights were made from others anyway."""
    place = weights(tmp_path / "few", {"baseline_cnn.pgd_at": "baseline_cnn.pgd_at"})
    (record,) = registry.records(Path(place)).values()
    registry.add(Path(place), dataclasses.replace(record, recipe=record.recipe | {"held_out": 0.1}))
    assert plan(place, "baseline_cnn.pgd_at").page["training"] == {
        "baseline_cnn.pgd_at": {"epochs": 30, "images": 1292}
    }
    for split in ("train", "test"):
        for name in "abcdefghij":
            (tmp_path / "images" / split / name).mkdir(parents=True)
            Image.new("L", (16, 16)).save(tmp_path / "images" / split / name / "0.png")
    found = plan(place, "baseline_cnn.pgd_at", data=f"folder:{tmp_path / 'images'}")
    assert found.page["training"] == {"baseline_cnn.pgd_at": {"epochs": 30}}
