"""Common mistakes with one's own model: said with the option that helps, marked, and never a false alarm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import bench
import zoo
from bench.inputs.array_data import array_data
from bench.inputs.candidates import CIFAR10, IMAGENET
from bench.inputs.first_look import first_look, looked_at
from bench.inputs.preparation import Preparation, Prepared
from bench.inputs.sources import deployed
from zoo import notes, registry

Capture = pytest.CaptureFixture[str]
CLASSES, N = 10, 200


class Colours(nn.Module):
    """Right for every image of ``coloured`` that comes as it is: the nearest of ten colours."""

    def __init__(self, colours: Tensor) -> None:
        super().__init__()
        self.colours = nn.Parameter(colours)

    def forward(self, x: Tensor) -> Tensor:
        return -((x.mean(dim=(2, 3))[:, None] - self.colours) ** 2).sum(2)


@dataclass(frozen=True)
class Few:
    """Images with labels, as the first look takes them."""

    x: Tensor
    labels: np.ndarray
    number: int = CLASSES
    name: str = "few"
    sha256: str = ""

    def __len__(self) -> int:
        return len(self.x)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(map(str, range(self.number)))

    def images(self, first: int = 0, count: int | None = None) -> Tensor:
        return self.x[first:] if count is None else self.x[first : first + count]


@pytest.fixture
def coloured() -> tuple[Few, Tensor]:
    """Images each of one of ten colours, their classes, and the colours."""
    draw = torch.Generator().manual_seed(0)
    colours = torch.rand(CLASSES, 3, generator=draw)
    y = np.arange(N) % CLASSES
    return Few(colours[y][:, :, None, None].expand(-1, -1, 4, 4).contiguous(), y), colours


def model_for(colours: Tensor, seen: Preparation) -> nn.Module:
    """A model trained on images after a preparation, and given them without it."""
    return Colours(seen.apply(colours[:, :, None, None])[:, :, 0, 0]).requires_grad_(False)


@pytest.mark.parametrize(
    "seen",
    [
        Preparation(scale=255.0),
        Preparation(mean=IMAGENET[0], std=IMAGENET[1]),
        Preparation(bgr=True),
        Preparation(scale=255.0, bgr=True),
        Preparation(mean=CIFAR10[0], std=CIFAR10[1], bgr=True),
    ],
)
def test_a_forgotten_preparation_is_named_and_the_option_puts_it_right(
    seen: Preparation, coloured: tuple[Few, Tensor]
) -> None:
    data, colours = coloured
    model = model_for(colours, seen)
    (found, *_) = first_look(model, data)
    assert found.kind == "preparation"
    assert "100 % of 100 clean images" in found.sentence
    assert first_look(Prepared(model, seen), data) == ()
    if not seen.mean:
        assert f"{seen.flags} would apply it" in found.sentence


def test_a_second_normalisation_is_named(coloured: tuple[Few, Tensor]) -> None:
    data, colours = coloured
    once = Preparation(mean=IMAGENET[0], std=IMAGENET[1])
    twice = Prepared(Prepared(model_for(colours, once), once), once)
    (found, *_) = first_look(twice, data)
    assert found.kind == "preparation"
    assert "without a second normalisation" in found.sentence


def test_another_order_of_classes_is_named_with_the_order(
    coloured: tuple[Few, Tensor],
) -> None:
    data, colours = coloured
    order = np.random.default_rng(1).permutation(CLASSES)  # class c has output order[c]
    model = Colours(colours[np.argsort(order)]).requires_grad_(False)
    (found, *_) = first_look(model, data)
    assert found.kind == "classes"
    assert f"--classes={','.join(map(str, order))}" in found.sentence
    right = Prepared(model, Preparation(classes=tuple(map(int, order))))
    assert first_look(right, data) == ()


def test_both_are_named_where_neither_alone_helps(coloured: tuple[Few, Tensor]) -> None:
    data, colours = coloured
    order = np.random.default_rng(1).permutation(CLASSES)
    model = model_for(colours[np.argsort(order)], Preparation(scale=255.0))
    (found, *_) = first_look(model, data)
    numbers = ",".join(map(str, order))
    assert found.kind == "preparation;classes"
    assert found.option.endswith(f"--classes={numbers}")
    assert f"{found.option} would apply it" in found.sentence
    assert "100 % of 100 clean images" in found.sentence


def test_where_one_alone_helps_the_other_is_named_after_it(coloured: tuple[Few, Tensor]) -> None:
    data, colours = coloured
    seen = Preparation(mean=IMAGENET[0], std=IMAGENET[1])
    order = tuple(map(int, np.random.default_rng(1).permutation(CLASSES)))
    model = model_for(colours[np.argsort(order)], seen)
    assert first_look(model, data)[0].kind == "classes"
    assert first_look(Prepared(model, Preparation(classes=order)), data)[0].kind == "preparation"
    right = Preparation(mean=seen.mean, std=seen.std, classes=order)
    assert first_look(Prepared(model, right), data) == ()


def test_chance_is_said_of_random_weights_and_of_one_answer_for_all(
    coloured: tuple[Few, Tensor],
) -> None:
    data, _ = coloured
    constant = Colours(torch.full((CLASSES, 3), 9.0).index_fill_(0, torch.tensor([3]), 0.5)).requires_grad_(
        False
    )
    assert [each.kind for each in first_look(constant, data)] == ["chance"]
    for seed in range(20):  # no order of classes makes noise right on other images
        noise = torch.rand(N, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
        random = Colours(torch.rand(CLASSES, 3, generator=torch.Generator().manual_seed(100 + seed)))
        assert [each.kind for each in first_look(random.requires_grad_(False), Few(noise, data.labels))] == [
            "chance"
        ]


def test_one_answer_for_all_is_not_another_order_of_classes(coloured: tuple[Few, Tensor]) -> None:
    """Where most images are of one class, calling that class by the model's one answer has most of them right."""
    data, _ = coloured
    y = np.where(np.arange(N) % 5 < 4, 0, data.labels)
    constant = Colours(torch.full((CLASSES, 3), 9.0).index_fill_(0, torch.tensor([3]), 0.5)).requires_grad_(
        False
    )
    assert [each.kind for each in first_look(constant, Few(data.x, y))] == ["chance"]


@pytest.mark.parametrize("seed", [8, 23, 35])
def test_nothing_is_named_that_is_itself_near_chance(seed: int) -> None:
    """Random weights of which another preparation or order makes up to 19 % right on other images."""
    torch.manual_seed(seed)
    model = deployed(zoo.build("baseline_cnn_4", channels=1, classes=10, size=16), "cpu")
    assert [each.kind for each in first_look(model, zoo.data.load("digits", "test"))] == ["chance"]


def test_half_of_two_classes_is_chance_and_most_is_not() -> None:
    x, y = torch.zeros(N, 1, 1, 1), np.arange(N) % 2

    class Told(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([x[:, 0, 0, 0], torch.full((len(x),), 0.5)], dim=1)

    x[:, 0, 0, 0] = torch.from_numpy((y == 0) ^ (np.arange(N) % 8 == 0)).float()  # 7 of 8 right
    assert first_look(Told(), Few(x, y, 2)) == ()
    x[:, 0, 0, 0] = torch.from_numpy((y == 0) ^ (np.arange(N) % 4 < 2)).float()
    assert "chance" in [each.kind for each in first_look(Told(), Few(x, y, 2))]


@pytest.mark.parametrize("kind", ["dropout", "batch norm"])
def test_training_mode_is_said(kind: str, coloured: tuple[Few, Tensor]) -> None:
    data, colours = coloured

    class Stuck(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = Colours(colours)
            self.layer = nn.Dropout(0.01) if kind == "dropout" else nn.BatchNorm2d(3, affine=False)

        def forward(self, x: Tensor) -> Tensor:
            self.layer.train()
            mixed = self.layer(x.repeat_interleave(8, 2)) if kind == "dropout" else x + 0.01 * self.layer(x)
            return self.model(mixed)

    assert "training mode" in [each.kind for each in first_look(Stuck().requires_grad_(False), data)]


def test_sound_models_are_not_suspected() -> None:
    """All models of the zoo with weights for the digits, and linear ones, as if they were somebody's own."""
    names = [record.name for record in registry.shipped().values() if record.dataset == "digits"]
    data, train = zoo.data.load("digits", "test"), zoo.data.load("digits", "train")
    models = {name: deployed(zoo.load(name, "digits"), "cpu") for name in names}
    models |= {f"linear {penalty}": ridge(train, penalty) for penalty in (1e-3, 0.1, 1, 10, 100, 1e3, 1e4)}
    assert len(models) >= 30
    found = {name: first_look(model, data) for name, model in models.items()}
    assert {name: each for name, each in found.items() if each} == {}


def ridge(train: zoo.data.Dataset, penalty: float) -> nn.Module:
    """Least squares onto the classes, in closed form."""
    x = train.images().flatten(1).double()
    x = torch.cat([x, torch.ones(len(x), 1)], dim=1)
    wanted = torch.eye(10, dtype=torch.float64)[torch.from_numpy(train.labels.copy())]
    solved = torch.linalg.solve(x.T @ x + penalty * torch.eye(x.shape[1], dtype=torch.float64), x.T @ wanted)
    model = nn.Sequential(nn.Flatten(), nn.Linear(x.shape[1] - 1, 10)).requires_grad_(False)
    model[1].weight.copy_(solved[:-1].T)
    model[1].bias.copy_(solved[-1])
    return model.eval()


@pytest.mark.parametrize(
    ("seen", "kind", "said"),
    [
        (
            Preparation(scale=255.0),
            "preparation",
            "--scale 255 would apply it on the command line; here it belongs",
        ),
        (Preparation(), "", ""),
    ],
)
def test_python_looks_too(
    seen: Preparation,
    kind: str,
    said: str,
    coloured: tuple[Few, Tensor],
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notes, "_said", {})
    data, colours = coloured
    results = bench.evaluate(model_for(colours, seen).requires_grad_(True), data.x, data.labels, "fgsm")
    assert kind in results.models[0].info.suspect.split(";")
    err = capsys.readouterr().err
    assert said in err
    assert ("note:" in err) == bool(kind)
    assert kind in bench.leaderboard_rows(results)[0]["suspect"].split(";")


@pytest.mark.parametrize(
    ("side", "images"), [(16, (200, 1000)), (64, (200, 1000)), (96, (89, 444)), (224, (50, 100))]
)
def test_fewer_of_large_images_are_looked_at(side: int, images: tuple[int, int]) -> None:
    data = array_data("d", np.zeros((2, 1, side, side), np.float32), [0, 1])
    assert looked_at(data) == images


def test_probabilities_instead_of_logits_are_named(coloured: tuple[Few, Tensor]) -> None:
    data, colours = coloured
    model = nn.Sequential(Colours(colours), nn.Softmax(1)).requires_grad_(False)
    (found,) = first_look(model, data)
    assert found.kind == "probabilities"
    assert "give logits, take the softmax away" in found.sentence
    assert not first_look(model[0], data)


def test_beside_a_preparation_that_helps_no_general_advice_is_given(coloured: tuple[Few, Tensor]) -> None:
    data, colours = coloured
    model = Prepared(Colours(255 * colours), Preparation()).requires_grad_(False)
    found = first_look(model, data)
    assert [each.kind for each in found] == ["preparation"]
    assert "check weights" not in found[0].sentence
