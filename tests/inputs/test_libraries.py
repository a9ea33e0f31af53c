"""Models that libraries build by name: their weights, their preparation, and where they are not to be had."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bench.errors import UsageError
from bench.inputs.libraries import Adapted, Wanted, made_by_library
from bench.inputs.preparation import Preparation
from bench.inputs.sources import ModelSource, find_source
from tests.own import call

Capture = pytest.CaptureFixture[str]
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SMALL, CACHED = "squeezenet1_1", "squeezenet1_1-b8a52dc0.pth"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of weights; nothing may be fetched."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", lambda *_, **__: pytest.fail("it was fetched"))
    monkeypatch.setattr("bench.studies.attacked.study.write_page", lambda *_: None)
    return tmp_path


def source(target: str, **options: Any) -> ModelSource:
    found = find_source(target, dataset="digits", weights=options.pop("weights", None), weights_from=None)
    assert found.foreign
    return ModelSource(
        **{name: getattr(found, name) for name in ("kind", "name", "target", "dataset", "weights")}, **options
    )


def cached(home: Path) -> dict[str, torch.Tensor]:
    """Puts random weights where torchvision would have put the trained ones."""
    from torchvision import models

    torch.manual_seed(3)
    state = models.get_model(SMALL, weights=None).state_dict()
    (home / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(state, home / "hub" / "checkpoints" / CACHED)
    return state


def test_random_weights_are_the_same_each_time_and_have_an_output_a_class() -> None:
    wanted = source(f"torchvision:{SMALL}@none", classes=7)
    digests = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = wanted.build()
        digests.append(wanted.digest(model))
        assert model(torch.rand(2, 3, 40, 40)).shape == (2, 7)
    assert digests[0] == digests[1]
    other = source(f"torchvision:{SMALL}@none", classes=8)
    assert other.digest(other.build()) != digests[0]


def test_trained_weights_come_from_the_cache_with_their_preparation(home: Path) -> None:
    from torchvision.transforms import functional

    state = cached(home)
    model: Any = source(f"torchvision:{SMALL}").build().eval()
    assert all(torch.equal(value, state[key]) for key, value in model.model.state_dict().items())
    assert (model.size, model.mean, model.std) == (224, *IMAGENET)
    x = torch.rand(2, 3, 224, 224)
    expected = model.model(functional.normalize(x, *map(list, IMAGENET)))
    assert torch.allclose(model(x), expected, atol=1e-5)
    named: Any = source(f"torchvision:{SMALL}@IMAGENET1K_V1").build()
    assert torch.equal(named.model.classifier[1].weight, model.model.classifier[1].weight)


class Sees(nn.Module):
    """Gives the mean of each channel that it sees, and the side."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x.mean((2, 3)), torch.full((len(x), 1), float(x.shape[-1]))], 1)


@pytest.mark.parametrize(("size", "side"), [(None, 16), (16, 16), (24, 24), (8, 8)])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_resized_only_where_their_size_differs(channels: int, size: int | None, side: int) -> None:
    seen = Adapted(Sees(), size, (0.5, 0.25, 0.0), (1, 2, 4))(torch.full((2, channels, 16, 16), 0.75))
    assert torch.allclose(seen, torch.tensor([[0.25, 0.25, 0.1875, side]] * 2))


def test_the_size_that_is_asked_for_goes_before_the_librarys(home: Path) -> None:
    cached(home)
    prepared: Any = source(f"torchvision:{SMALL}", preparation=Preparation(size=32)).build()
    assert prepared.model.size == 32


def test_the_description_belongs_to_the_digest(home: Path) -> None:
    cached(home)
    wanted = source(f"torchvision:{SMALL}")
    model: Any = wanted.build()
    before = wanted.digest(model)
    model.mean = (0.0, 0.0, 0.0)
    assert wanted.digest(model) != before


def test_a_weights_file_of_ones_own_fills_a_librarys_network(home: Path) -> None:
    from torchvision import models

    state = models.get_model(SMALL, weights=None, num_classes=10).state_dict()
    torch.save({"state_dict": {"module." + key: value for key, value in state.items()}}, home / "w.pt")
    model: Any = source(f"torchvision:{SMALL}", weights=str(home / "w.pt"), classes=10).build()
    assert all(torch.equal(value, state[key]) for key, value in model.model.state_dict().items())
    assert model.mean == ()


REFUSED = {
    f"torchvision:{SMALL}": f"no weights of 'torchvision:{SMALL}' in {{home}}/hub/checkpoints; add --download to fetch "
    f"them, or take random ones with torchvision:{SMALL}@none",
    "torchvision:resnet19": "torchvision has no model 'resnet19'; nearest: resnet1",
    "torchvision:resnet18@V3": "'torchvision:resnet18' has no weights 'V3'; known: IMAGENET1K_V1, none",
    "torchvision:fasterrcnn_resnet50_fpn": "torchvision has no model 'fasterrcnn_resnet50_fpn'",
}


REFUSED |= {
    "timm:resnet18@a1": "'timm:resnet18' has no weights 'a1'; give @none or nothing after its name",
    "robustbench:Standard@none": "'robustbench:Standard' has no weights 'none'; give nothing after its name",
}


@pytest.mark.parametrize("target", REFUSED)
def test_what_a_library_cannot_give_is_refused(target: str, home: Path) -> None:
    with pytest.raises(UsageError) as caught:
        source(target).build()
    assert str(caught.value).startswith(REFUSED[target].format(home=home))


@pytest.mark.parametrize(
    ("target", "remedy"),
    [
        ("timm:resnet18", "symbench[timm]"),
        ("hf:a/b", "symbench[hf]"),
        ("robustbench:Standard", "robustbench"),
    ],
)
def test_a_library_that_is_not_installed_is_named(
    target: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("timm", "transformers", "robustbench", "robustbench.utils"):
        monkeypatch.setitem(sys.modules, package, None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a package that cannot be imported") as caught:
        source(target).build()
    assert f"pip install {remedy}" in str(caught.value).replace("'", "")


def test_a_fault_of_the_library_is_one_sentence() -> None:
    wanted = Wanted(
        library="torchvision",
        name="squeezenet1_1",
        weights="none",
        classes=-1,
        dataset="",
        download=False,
        size=None,
    )
    with pytest.raises(UsageError, match=r"'torchvision:squeezenet1_1' cannot be built: .*-1"):
        made_by_library(wanted)


def test_timm_gives_random_and_cached_weights_with_its_preparation(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timm = pytest.importorskip("timm")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(home / "cache"))
    name = "mobilenetv3_small_050"
    model: Any = source(f"timm:{name}@none", classes=5).build().eval()
    assert model(torch.rand(2, 1, 32, 32)).shape == (2, 5)
    with pytest.raises(UsageError, match="in the local cache; add --download"):
        source(f"timm:{name}").build()
    with pytest.raises(UsageError, match="timm has no model 'resnet19'"):
        source("timm:resnet19").build()
    state = timm.create_model(name, pretrained=False).state_dict()
    folder = home / "cache" / "models--timm--mobilenetv3_small_050.lamb_in1k"
    (folder / "snapshots" / "1").mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("1")
    save_file(state, folder / "snapshots" / "1" / "model.safetensors")
    model = source(f"timm:{name}").build()
    assert all(torch.equal(value, state[key]) for key, value in model.model.state_dict().items())
    assert (model.size, model.mean, model.std) == (224, *IMAGENET)


@pytest.mark.filterwarnings("ignore")
def test_transformers_gives_a_saved_model_by_its_logits(home: Path) -> None:
    hub = pytest.importorskip("transformers")
    words = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = hub.ViTConfig(**words, image_size=32, patch_size=8, num_labels=10)
    network = hub.ViTForImageClassification(config).eval()
    network.save_pretrained(home / "tiny")
    with pytest.raises(UsageError, match=r"has no preprocessor_config\.json, .* give --mean and --std"):
        source(f"hf:{home / 'tiny'}").build()
    hub.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(home / "tiny")
    model: Any = source(f"hf:{home / 'tiny'}").build().eval()
    assert (model.size, model.mean) == (32, (0.5, 0.5, 0.5))
    x = torch.rand(2, 3, 32, 32)
    assert torch.allclose(model(x), network((x - 0.5) / 0.5).logits, atol=1e-5)
    with pytest.raises(
        UsageError, match="no weights of 'hf:a/b' in the local cache; add --download to fetch them"
    ):
        source("hf:a/b").build()


@pytest.mark.slow
@pytest.mark.processes
def test_it_is_measured_in_a_process_of_its_own(capsys: Capture, home: Path) -> None:
    words = ("--attacks", "fgsm", "--eps", 0.1, "--n", 8, "--workers", 1, "--json")
    answer = call(capsys, "run", "--model", "torchvision:resnet18@none", *words)
    assert answer.code == 0, answer.err
    rows = json.loads(answer.out)
    assert {row["model"] for row in rows} == {"torchvision:resnet18@none"}
    assert call(capsys, "run", "--model", "torchvision:resnet18", *words).code == 2


def listed(capsys: Capture, *words: str) -> list[str]:
    answer = call(capsys, "list", *words, "--json")
    assert answer.code == 0, answer.err
    return [row[what.removesuffix("s")] for what, rows in json.loads(answer.out).items() for row in rows]


def test_a_pattern_chooses_what_is_listed(capsys: Capture) -> None:
    names = [f"torchvision:resnet{depth}" for depth in (101, 152, 18, 34, 50)]
    assert listed(capsys, "models", "torchvision:resnet*") == names
    assert listed(capsys, "models", "baseline_cnn_4*") == [
        "baseline_cnn_4", "baseline_cnn_4.pgd_at", "baseline_cnn_4.afa", "baseline_cnn_4.ibp", "baseline_cnn_4.jsigr",
        "baseline_cnn_4.last",
    ]  # fmt: skip
    assert listed(capsys, "attacks", "fgs?") == ["fgsm", "fgsm"]
