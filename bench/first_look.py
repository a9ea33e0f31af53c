"""The mistakes that users make most often, looked for before a model is measured.

Images prepared otherwise than in training, classes in another order, accuracy at chance, and training mode. What is
found is said and marked; the model is measured as it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from scipy import stats
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from bench.preparation import Preparation
from bench.sources import Images
from bench.stats import mcnemar_lower

GLANCE = 20  # images on which most preparations are ruled out
IMAGES = 200  # looked at, at most, drawn from the whole data set
MORE = 1000  # other images, on which what looked better is tested
FEWEST = 20  # below which no test could tell anything
LEVEL = 0.001  # of the exact one-sided McNemar test
MARGIN = 0.02  # by which another preparation or order of classes must be better
LIKELY = 0.15  # how far behind a preparation may be at a glance
NEAR_CHANCE = 0.1  # share of the way from chance to perfect, up to which accuracy is called near chance
SAME = 1e-3  # relative difference of logits that rounding does not make
BATCH = 50

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CIFAR10 = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
HALVES = (0.5,), (0.5,)
MNIST = (0.1307,), (0.3081,)


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Something that speaks against how a model was given.

    Attributes:
        kind: ``preparation``, ``classes``, ``chance`` or ``training mode``; it stands in the rows.
        sentence: what was found, with the numbers and the option that would change it.
    """

    kind: str
    sentence: str


def first_look(model: nn.Module, data: Images, device: str = "cpu") -> tuple[Suspicion, ...]:
    """What is suspect about a model.

    One preparation and one order of classes are chosen on up to 200 images and tested on up to 1,000 others, so each
    is a single test; it must be significantly better (0.1 %) and better by two points of accuracy.

    Args:
        model: deployed classifier on the device.
        data: what it will be measured on.
        device: ``cpu`` or ``cuda``.
    """
    classes, total = len(data.classes), len(data.labels)
    order = np.random.default_rng(0).permutation(total)
    few = order[: min(IMAGES, max(1, total // 2))]
    x, y = _drawn(data, few, device), data.labels[few]
    logits = _logits(model, x)
    if not np.isfinite(logits).all():
        return ()
    found = []
    if reason := _training_mode(model, x, logits):
        found.append(Suspicion("training mode", reason))
    if len(x) < FEWEST:
        return tuple(found)
    right = logits.argmax(1) == y
    if right.mean() <= 1 - MARGIN:
        rest = order[len(few) :][:MORE]
        better = _better(
            model, data, rest, device, _preparation(model, x, y, right), _classes(logits, y, right, classes)
        )
        found += [better] if better else []
    if sentence := _at_chance(right, y, classes):
        found.append(Suspicion("chance", sentence))
    return tuple(found)


def candidates(channels: int) -> Iterator[tuple[str, Preparation]]:
    """Other preparations with what each would mean, in words."""
    known = {"ImageNet's": IMAGENET, "CIFAR-10's": CIFAR10} if channels == 3 else {"MNIST's": MNIST}
    found = [("times 255", Preparation(scale=255.0))]
    for name, (mean, std) in {**known, "0.5 as": HALVES}.items():
        words = f"{name} mean and standard deviation"
        found.append((f"normalised by {words}", Preparation(mean=mean, std=std)))
        back = Preparation(
            mean=tuple(-m / s for m, s in zip(mean, std, strict=True)), std=tuple(1 / s for s in std)
        )
        found.append((f"without a second normalisation by {words}", back))
    if channels == 3:
        caffe = Preparation(scale=255.0, mean=tuple(255 * m for m in IMAGENET[0]))
        found.append(("times 255 less ImageNet's mean", caffe))
        found += [
            (f"{words}, blue first", Preparation(scale=each.scale, bgr=True, mean=each.mean, std=each.std))
            for words, each in list(found)
        ]
        found.append(("blue first", Preparation(bgr=True)))
    yield from found


def _preparation(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[np.ndarray, " n"], right: Bool[np.ndarray, " n"]
) -> tuple[str, Preparation] | None:
    """The preparation under which most images are right, with its words, if that is better than as given."""
    least = right[:GLANCE].mean() - LIKELY
    likely = [
        (words, each)
        for words, each in candidates(x.shape[1])
        if _right(model, each.apply(x[:GLANCE]), y[:GLANCE]).mean() >= least
    ]
    scores = [_right(model, each.apply(x), y).mean() for _, each in likely]
    if not scores or max(scores) < right.mean() + MARGIN:
        return None
    return likely[int(np.argmax(scores))]


def _classes(
    logits: Float32[np.ndarray, "n k"],
    y: Int64[np.ndarray, " n"],
    right: Bool[np.ndarray, " n"],
    classes: int,
) -> Int64[np.ndarray, " classes"] | None:
    """For each class the output that is most often its own, one for each, if that is better than as given."""
    predicted = logits.argmax(1)
    counts = np.zeros((classes, logits.shape[1]), dtype=np.int64)
    np.add.at(counts, (y, predicted), 2)
    counts[np.arange(classes), np.arange(classes)] += 1  # of equals the order as given
    _, outputs = linear_sum_assignment(counts, maximize=True)
    return outputs if (outputs[y] == predicted).mean() >= right.mean() + MARGIN else None


def _better(
    model: nn.Module,
    data: Images,
    rest: Int64[np.ndarray, " m"],
    device: str,
    preparation: tuple[str, Preparation] | None,
    outputs: Int64[np.ndarray, " classes"] | None,
) -> Suspicion | None:
    """The better of what was chosen, if it is clearly better on other images."""
    if not len(rest) or (preparation is None and outputs is None):
        return None
    x, y = _drawn(data, rest, device), data.labels[rest]
    predicted = _logits(model, x).argmax(1)
    right = predicted == y
    found = []
    if preparation is not None:
        words, best = preparation
        what = f"when they are {words}"
        found.append((_right(model, best.apply(x), y), "preparation", what, best.flags))
    if outputs is not None:
        numbers = ",".join(map(str, outputs))
        option = f"--classes={numbers}" if len(numbers) < 100 else "--classes FILE with each class's output"
        found.append((outputs[y] == predicted, "classes", "with the classes in another order", option))
    other, kind, what, option = max(found, key=lambda each: each[0].mean())
    if not _clearly_better(other, right) or other.mean() < _commonest(y) + MARGIN:
        return None
    return Suspicion(
        kind,
        f"{_percent(other)} of {len(rest)} clean images are right {what}, and {_percent(right)} as given; "
        f"{option} would apply it",
    )


def _clearly_better(other: Bool[np.ndarray, " n"], right: Bool[np.ndarray, " n"]) -> bool:
    p = mcnemar_lower(int((other & ~right).sum()), int((right & ~other).sum()))
    return p < LEVEL and bool(other.mean() >= right.mean() + MARGIN)


def _at_chance(right: Bool[np.ndarray, " n"], y: Int64[np.ndarray, " n"], classes: int) -> str:
    """A sentence where accuracy is that of always the same answer, or not far above it."""
    chance = max(1 / classes, _commonest(y))
    accuracy = right.mean()
    told = stats.binom.sf(int(right.sum()) - 1, len(right), chance) < 0.05
    near = accuracy < 3 / classes and accuracy - chance < NEAR_CHANCE * (1 - chance)
    if told and not near:
        return ""
    return (
        f"{_percent(right)} of {len(right)} clean images are right, and {100 * chance:.0f} % by always giving the same "
        "class: accuracy is at or near chance, and robust accuracy says nothing; look at weights, preparation and "
        "classes"
    )


def _commonest(y: Int64[np.ndarray, " n"]) -> float:
    """Share of the images that always the same answer has right."""
    return float(np.bincount(y).max() / len(y))


def _training_mode(model: nn.Module, x: Float[Tensor, "n c h w"], logits: Float32[np.ndarray, "n k"]) -> str:
    """A sentence where a model behaves as it does in training."""
    few = x[: min(8, len(x))]
    again = _logits(model, few)
    scale = SAME * max(1.0, float(np.abs(logits).max()))
    if np.abs(again - _logits(model, few)).max() > scale:
        return "the same images get other logits at every call: dropout or other noise is active; call model.eval()"
    alone = np.concatenate([_logits(model, few[i : i + 1]) for i in range(len(few))])
    if np.abs(again - alone).max() > scale:
        return (
            "logits of an image depend on the images beside it: batch norm takes the batch's statistics, as in "
            "training; call model.eval()"
        )
    return ""


def _drawn(data: Images, places: Int64[np.ndarray, " m"], device: str) -> Float[Tensor, "m c h w"]:
    return torch.cat([data.images(int(i), 1) for i in places]).to(device)


def _right(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[np.ndarray, " n"]
) -> Bool[np.ndarray, " n"]:
    return _logits(model, x).argmax(1) == y


def _logits(model: Callable[[Tensor], Tensor], x: Float[Tensor, "n c h w"]) -> Float32[np.ndarray, "n k"]:
    with torch.no_grad():
        return torch.cat([model(part).float() for part in x.split(BATCH)]).cpu().numpy()


def _percent(right: Bool[np.ndarray, " n"]) -> str:
    return f"{100 * right.mean():.0f} %"
