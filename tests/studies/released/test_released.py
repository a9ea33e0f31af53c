"""Released protocols: hand-computed examples, plain loops as the scripts write them, and a state left alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import bench
import zoo
from bench.attacks import RELEASED_REQUESTS
from bench.engine.cell import Cell
from bench.engine.protocols import PROTOCOLS, RELEASED
from bench.errors import UsageError
from bench.inputs.model_info import ModelInfo
from bench.studies.released import Network, measure_released
from bench.studies.robustness.plan import released_cell
from bench.studies.robustness.results import Setting
from zoo import data

CIFAR = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
HALF = ((0.5,), (0.5,))
# name: (mean, std), low, high, batch norm in training mode in the attack, in prediction, raw input
SCRIPTS = {
    "released:baseline_cnn": (HALF, 0, 1, False, False, False),
    "released:parallel_gcnn_rs": (HALF, -1, 1, True, True, False),
    "released:weighted_gcnn_rs": (HALF, -1, 1, False, False, False),
    "released:equivariant_gcnn": (CIFAR, -1, 1, True, False, False),
    "released:cifar10c_gcnn": (((0.0,), (1.0,)), 0, 1, False, False, True),
}


def cell_of(protocol: str, n: int, *eps: float) -> Cell:
    setting = Setting(
        dataset="toys", data="d", n=n, norm="linf", eps=(0.0, *eps), curve="independent", seed=0,
        protocol=PROTOCOLS[protocol].label, backend="cpu",
    )  # fmt: skip
    return released_cell(
        setting, ModelInfo(name="toy", weights="w", trained_on="toys", parameters=1, origin="python")
    )


class Half(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x - 0.5) / 0.5


class Score(nn.Module):
    """Logits (0, v₀ − v₁ + 2·v₂ − 1), v being the three pixels, normalised to [−1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.normalize = Half()
        self.weight = nn.Parameter(torch.tensor([1.0, -1.0, 2.0]))

    def forward(self, x: Tensor) -> Tensor:
        score = self.normalize(x).flatten(1) @ self.weight - 1
        return torch.stack([torch.zeros_like(score), score], dim=1)


# One image of the pixels (0.2, 0.6, 0.9) and class 1: the attack lowers v₀, raises v₁, lowers v₂. Pixels after the
# clamp alone and after a step of 0.1, worked out by hand in the protocol's own space:
#   half: z = (−0.6, 0.2, 0.8) → (−0.7, 0.3, 0.7), clamped to [0, 1]: (0, 0.3, 0.7), to [−1, 1]: as it is
#   CIFAR: z = (−1.4404, 0.5908, 2.2562) → (−1.5404, 0.6908, 2.1562) → (−1, 0.6908, 1); pixels z·std + mean
#   raw: (0.1, 0.7, 0.8)
BY_HAND = {
    "released:baseline_cnn": ((0.5, 0.6, 0.9), (0.5, 0.65, 0.85)),
    "released:parallel_gcnn_rs": ((0.2, 0.6, 0.9), (0.15, 0.65, 0.85)),
    "released:weighted_gcnn_rs": ((0.2, 0.6, 0.9), (0.15, 0.65, 0.85)),
    "released:equivariant_gcnn": ((0.2891, 0.6, 0.6475), (0.2891, 0.61994, 0.6475)),
    "released:cifar10c_gcnn": ((0.2, 0.6, 0.9), (0.1, 0.7, 0.8)),
}
# The score of those pixels: v is (pixels − 0.5) / 0.5, or the pixels themselves where input is raw
CLEAN_SCORE = dict.fromkeys(SCRIPTS, -0.6 - 0.2 + 1.6 - 1) | {"released:cifar10c_gcnn": 0.2 - 0.6 + 1.8 - 1}
ATTACKED_SCORES = {
    "released:baseline_cnn": (0 - 0.2 + 1.6 - 1, 0 - 0.3 + 1.4 - 1),
    "released:parallel_gcnn_rs": (-0.6 - 0.2 + 1.6 - 1, -0.7 - 0.3 + 1.4 - 1),
    "released:weighted_gcnn_rs": (-0.6 - 0.2 + 1.6 - 1, -0.7 - 0.3 + 1.4 - 1),
    "released:equivariant_gcnn": (-0.4218 - 0.2 + 0.59 - 1, -0.4218 - 0.23988 + 0.59 - 1),
    "released:cifar10c_gcnn": (0.2 - 0.6 + 1.8 - 1, 0.1 - 0.7 + 1.6 - 1),
}


@pytest.mark.parametrize("protocol", SCRIPTS)
def test_three_pixels_by_hand(protocol: str) -> None:
    x = torch.tensor([0.2, 0.6, 0.9]).view(1, 3, 1, 1)
    found = measure_released(cell_of(protocol, 1, 0.1), Score(), x, torch.tensor([1])).arrays
    right = CLEAN_SCORE[protocol] > 0
    assert found["clean_standing"].tolist() == [right]
    assert found["clean_margin"][0] == pytest.approx(CLEAN_SCORE[protocol], abs=1e-5)
    for e, pixels in enumerate(BY_HAND[protocol]):
        moved = np.abs(np.array(pixels) - (0.2, 0.6, 0.9)).max()
        for a in range(2):  # 40 steps of 0.01 reach the edge of the ball, where one step of ε ends
            assert found["distance"][a, e] == pytest.approx(moved, abs=1e-5)
            assert found["margin"][a, e] == pytest.approx(ATTACKED_SCORES[protocol][e], abs=1e-4)
            assert found["standing"][a, e].tolist() == [ATTACKED_SCORES[protocol][e] > 0]


def test_the_clamp_may_right_what_was_wrong_and_wrong_what_was_right() -> None:
    x = torch.tensor([[0.2, 0.6, 0.9], [0.9, 0.1, 0.5]]).view(2, 3, 1, 1)
    found = measure_released(
        cell_of("released:baseline_cnn", 2, 0.0), Score(), x, torch.tensor([1, 1])
    ).arrays
    # scores −0.2 and 0.8 + 0.8 + 0 − 1 = 0.6; clamped 0.4 and 0.8 − 0 + 0 − 1 = −0.2
    assert found["clean_standing"].tolist() == [False, True]
    assert found["standing"][0, 0].tolist() == [True, False]


class Drifting(nn.Module):
    """Class 1 exactly if the first pixel exceeds what batch norm takes for its mean; no gradient at all."""

    def __init__(self) -> None:
        super().__init__()
        self.normalize = nn.Identity()
        self.norm = nn.BatchNorm2d(1, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        score = self.norm(self.normalize(x)[:, :1].detach()).flatten() + 0 * x.flatten(1).sum(dim=1)
        return torch.stack([torch.zeros_like(score), score], dim=1)


def drifting_problem() -> tuple[Tensor, np.ndarray]:
    """130 images, a batch of 128 and one of 2, of which no clamp to [−1, 1] moves the first pixel."""
    first = np.concatenate([np.linspace(0.31, 0.6, 128), [0.58, 0.69]])
    x = torch.full((130, 3, 1, 1), 0.5)
    x[:, 0, 0, 0] = torch.from_numpy(first).float()
    return x, first


def means_by_hand(first: np.ndarray, eps: int) -> Iterator[tuple[int, slice, float]]:
    """(attack, batch, running mean at its prediction): 1 pass a batch under FGSM, 40 under PGD; momentum 0.1."""
    mean = 0.0
    for _ in range(eps):
        for a, passes in enumerate((1, 40)):
            for at in (slice(0, 128), slice(128, 130)):
                mean = 0.9**passes * mean + (1 - 0.9**passes) * first[at].mean()
                yield a, at, mean


def test_running_statistics_drift_from_pass_to_pass() -> None:
    x, first = drifting_problem()
    y = torch.ones(130, dtype=torch.int64)
    grid = (0.01, 0.02, 0.03)
    found = measure_released(cell_of("released:equivariant_gcnn", 130, *grid), Drifting(), x, y).arrays
    assert found["clean_standing"].all()  # before any pass the mean is 0
    assert found["standing"][:, 0].all()  # and the clamp alone is no pass
    seen = list(means_by_hand(first, len(grid)))
    assert seen[0][2] == pytest.approx(0.1 * first[:128].mean())
    for place, (a, at, mean) in enumerate(seen):
        e = 1 + place // 4
        assert np.abs(first[at] - mean).min() > 1e-5
        assert np.array_equal(found["standing"][a, e, at], first[at] > mean)
    assert len({found["standing"][a, e].sum() for a in range(2) for e in range(1, 4)}) > 2


def test_batch_norm_modes_by_hand() -> None:
    x, first = drifting_problem()
    y = torch.ones(130, dtype=torch.int64)
    batches = np.repeat([first[:128].mean(), first[128:].mean()], (128, 2))
    for protocol, threshold in (
        ("released:parallel_gcnn_rs", batches),  # of the batch, whatever was seen before
        ("released:weighted_gcnn_rs", 0),  # running mean, untouched
        ("released:baseline_cnn", 0),
        ("released:cifar10c_gcnn", 0),
    ):
        found = measure_released(cell_of(protocol, 130, 0.01, 0.02), Drifting(), x, y).arrays
        seen = np.maximum(first, 0.5) if protocol == "released:baseline_cnn" else first
        assert np.array_equal(found["clean_standing"], first > threshold)
        assert (found["standing"] == (seen > threshold)).all()


def test_running_mean_after_k_passes_is_the_closed_form() -> None:
    x, first = drifting_problem()
    network = Network(Drifting(), RELEASED["released:equivariant_gcnn"], 3)
    norm = network.model.norm  # type: ignore[union-attr]
    for _ in range(41):
        network.train()(network.inputs(x[:128]))
    assert float(norm.running_mean) == pytest.approx((1 - 0.9**41) * first[:128].mean(), abs=1e-5)  # type: ignore


def as_written(
    model: nn.Module, protocol: str, x: Tensor, y: Tensor, grid: tuple[float, ...]
) -> dict[str, np.ndarray]:
    """The loops of a script in plain torch, for images of one channel."""
    (mean, std), low, high, attack_training, predict_training, raw = SCRIPTS[protocol]
    net, m, s = copy.deepcopy(model), float(np.mean(mean)), float(np.mean(std))
    if raw:
        net.normalize = nn.Identity()
    found: dict[str, list[np.ndarray]] = {"predicted": [], "loss": [], "distance": []}
    for eps in grid:
        for steps, alpha in ((1, eps), (40, 0.01)):
            for first in range(0, len(x), 128):
                pixels, labels = x[first : first + 128], y[first : first + 128]
                images = (pixels - m) / s
                adversarial = images.clone()
                net.train(attack_training)
                for _ in range(steps):
                    adversarial = adversarial.detach().requires_grad_(True)
                    nn.functional.cross_entropy(net(adversarial * s + m), labels).backward()
                    assert adversarial.grad is not None
                    adversarial = adversarial.detach() + alpha * adversarial.grad.sign()
                    if steps > 1:
                        adversarial = torch.clamp(adversarial, images - eps, images + eps)
                    adversarial = torch.clamp(adversarial, low, high)
                net.train(predict_training)
                with torch.no_grad():
                    outputs = net(adversarial * s + m)
                moved = (adversarial * s + m).double() - pixels.double()
                found["predicted"].append(outputs.argmax(1).numpy())
                found["loss"].append(nn.functional.cross_entropy(outputs, labels, reduction="none").numpy())
                found["distance"].append(moved.abs().flatten(1).amax(1).numpy())
    return {
        name: np.concatenate(parts).reshape(len(grid), 2, len(x)).swapaxes(0, 1)
        for name, parts in found.items()
    }


@pytest.mark.parametrize(
    ("protocol", "name"),
    [
        *((protocol, "baseline_cnn_4") for protocol in SCRIPTS),
        pytest.param("released:equivariant_gcnn", "equivariant_gcnn_4", marks=pytest.mark.slow),
        pytest.param("released:parallel_gcnn_rs", "parallel_gcnn_rs", marks=pytest.mark.slow),
    ],
)
def test_a_zoo_model_gives_what_the_scripts_loops_give_bit_for_bit(protocol: str, name: str) -> None:
    digits = data.load("digits", "test")
    _, _, _, training, predict_training, _ = SCRIPTS[protocol]
    n = 130 if training else 40  # in eval mode an image does not depend on its batch
    x, y = digits.images(0, n), digits.targets(0, n)
    model = zoo.load(name)
    before = copy.deepcopy(model.state_dict())
    grid = (0.02, 0.05) if training and not predict_training else (0.05,)
    found = measure_released(cell_of(protocol, n, *grid), model, x, y).arrays
    for column, expected in as_written(model, protocol, x, y, grid).items():
        assert np.array_equal(found[column][:, 1:], expected), column
    assert np.array_equal(found["standing"], found["predicted"] == y.numpy())
    assert not model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_the_weighted_script_is_a_sound_attack_of_half_the_size() -> None:
    digits = data.load("digits", "test")
    x, y = digits.images(0, 60), digits.targets(0, 60)
    model = zoo.load("baseline_cnn_4")
    found = measure_released(cell_of("released:weighted_gcnn_rs", 60, 0.1, 0.2), model, x, y).arrays
    sound = bench.evaluate(
        model, x, y, eps=[0.05, 0.1], independent=True, steps=40, alpha=0.005, random_start=False
    ).models[0]
    right = sound.clean.correct
    assert np.array_equal(found["clean_standing"], right)
    for curve, standing in zip(sound.curves, found["standing"], strict=True):
        differ = curve.standing[:, right] != standing[1:, right]
        assert differ.sum() <= 1  # folded batch norm rounds otherwise
    assert sound.curves[1].standing[1].sum() < right.sum()


def test_a_cell_draws_its_own_numbers_and_leaves_the_callers_alone() -> None:
    class Dropping(Score):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(nn.functional.dropout(x, 0.5, self.training))

    x = torch.rand(8, 3, 1, 1, generator=torch.Generator().manual_seed(0))
    cell, y = cell_of("released:parallel_gcnn_rs", 8, 0.1), torch.ones(8, dtype=torch.int64)
    before = torch.get_rng_state()
    first = measure_released(cell, Dropping(), x, y)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert measure_released(cell, Dropping(), x, y).digest == first.digest


def test_one_channel_takes_the_mean_of_three_constants() -> None:
    network = Network(Score(), RELEASED["released:equivariant_gcnn"], 1)
    assert network.mean.item() == pytest.approx(sum(CIFAR[0]) / 3)
    assert network.std.item() == pytest.approx(sum(CIFAR[1]) / 3)


def test_what_a_protocol_cannot_be_carried_out_on() -> None:
    with pytest.raises(UsageError, match="'Linear' has none named 'normalize'"):
        Network(nn.Linear(1, 2), RELEASED["released:cifar10c_gcnn"], 3)
    with pytest.raises(UsageError, match="normalises 3 channels, and the images have 4"):
        Network(nn.Linear(1, 2), RELEASED["released:equivariant_gcnn"], 4)
    Network(nn.Linear(1, 2), RELEASED["released:baseline_cnn"], 4)


def test_the_table_is_the_scripts() -> None:
    assert set(RELEASED) == set(SCRIPTS)
    for name, ((mean, std), low, high, attack, predict, raw) in SCRIPTS.items():
        rules = RELEASED[name]
        assert (rules.mean, rules.std, rules.low, rules.high) == (mean, std, low, high)
        assert (rules.attack_training, rules.predict_training, rules.raw) == (attack, predict, raw)
    evaluations = [SCRIPTS[name] for name in SCRIPTS]
    assert len({repr(each) for each in evaluations}) == len(evaluations)
    fgsm, pgd = RELEASED_REQUESTS
    assert (fgsm.attack, dict(fgsm.params)) == ("fgsm", {"batch": 128})
    assert dict(pgd.params) == {
        "alpha": 0.01, "batch": 128, "random_start": False, "restarts": 1, "steps": 40,
    }  # fmt: skip
