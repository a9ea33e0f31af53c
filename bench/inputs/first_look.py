"""Looks for the most common mistakes of users before a model is measured.

These are: images prepared otherwise than in training, classes in another order, accuracy at chance, probabilities
instead of logits, and training mode.
A finding is printed and marked in the rows; the model is measured as given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor, nn

from bench.inputs.candidates import candidates
from bench.inputs.preparation import AS_IT_IS, Preparation
from bench.inputs.sources import Images
from bench.numbers.stats import mcnemar_lower

GLANCE = 20  # images of the first, quick test of preparations
FINALISTS = 3  # preparations left after the quick test, where the order of classes is unknown too
IMAGES = 200  # most images to choose on, drawn from the whole data set
MORE = 1000  # most other images, to test the choice on
WHOLE = (
    64 * 64
)  # pixels of an image up to which these numbers hold; they shrink in proportion for larger images,
FEWER = 50, 100  # but not below these
FEWEST = 20  # with fewer, no test can be significant
LEVEL = 0.001  # of the exact one-sided McNemar test
MARGIN = 0.02  # another preparation or order of classes must be better by this
LIKELY = 0.15  # a preparation may be this much worse in the quick test
NEAR_CHANCE = 0.1  # share of the way from chance to perfect, up to which accuracy is called near chance
SAME = 1e-3  # relative difference of logits that rounding does not make
BATCH = 50
ROUNDED = 1e-3  # how far the sum of an image's probabilities may be from 1
PROBABILITIES = (
    "its outputs are probabilities: give logits, take the softmax away; attacks with cross-entropy are weaker on "
    "probabilities"
)


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A sign that a model was given with a mistake.

    Attributes:
        kind: ``preparation``, ``classes``, both with ``;`` between, ``chance``, ``probabilities`` or
            ``training mode``; the rows have it.
        sentence: the finding, with the numbers and the option that would change it.
        option: that option; empty if none would.
    """

    kind: str
    sentence: str
    option: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """A possible mistake: another preparation, another order of classes, or both.

    Attributes:
        words: the preparation in words; empty where it is right as given.
        preparation: the other preparation of the images.
        outputs: for each class the number of its output; ``None`` where the given order is right.
    """

    words: str = ""
    preparation: Preparation = AS_IT_IS
    outputs: Int64[np.ndarray, " classes"] | None = None

    def wanted(self, y: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
        """The output that should be largest for each label."""
        return y if self.outputs is None else self.outputs[y]

    def suspicion(self, numbers: str) -> Suspicion:
        """The suspicion; ``numbers`` is a sentence with a placeholder for the change."""
        kinds, done, options = [], [], []
        if self.preparation:
            kinds, done, options = ["preparation"], [f"when they are {self.words}"], [self.preparation.flags]
        if self.outputs is not None:
            order = ",".join(map(str, self.outputs))
            kinds.append("classes")
            done.append("with the classes in another order")
            options.append(
                f"--classes={order}" if len(order) < 100 else "--classes FILE with each class's output"
            )
        option = " ".join(options)
        sentence = f"{numbers.format(' and '.join(done))}; {option} would apply it"
        return Suspicion(";".join(kinds), sentence, option)


def first_look(model: nn.Module, data: Images, device: str = "cpu") -> tuple[Suspicion, ...]:
    """The suspicions about a model.

    One preparation and one order of classes are chosen on up to 200 images and tested on up to 1,000 others (50 and 100
    of 224 × 224 pixels), so each is a single test; it must be significantly better (0.1 %) and better by two points
    of accuracy.

    Args:
        model: deployed classifier on the device.
        data: the images it will be measured on.
        device: ``cpu`` or ``cuda``.
    """
    classes, total = len(data.classes), len(data.labels)
    order = np.random.default_rng(0).permutation(total)
    images, more = looked_at(data)
    few = order[: min(images, max(1, total // 2))]
    x, y = _drawn(data, few, device), data.labels[few]
    logits = _logits(model, x)
    if not np.isfinite(logits).all():
        return ()
    found = []
    if reason := _training_mode(model, x, logits):
        found.append(Suspicion("training mode", reason))
    if _probabilities(logits):
        found.append(Suspicion("probabilities", PROBABILITIES))
    if len(x) < FEWEST:
        return tuple(found)
    right = logits.argmax(1) == y
    chance = _at_chance(right, y, classes)
    better = None
    if right.mean() <= 1 - MARGIN:
        rest = order[len(few) :][:more]
        alone = [_preparation(model, x, y, right), _classes(logits, y, right, classes)]
        better = _better(model, data, rest, device, alone)
        if better is None and chance:
            better = _better(model, data, rest, device, [_both(model, x, y, classes)])
        found += [better] if better else []
    if chance and not better:
        found.append(Suspicion("chance", chance))
    return tuple(found)


def looked_at(data: Images) -> tuple[int, int]:
    """The most images that a preparation is chosen on, and the most others that it is tested on."""
    height, width = data.images(0, 1).shape[2:]
    share = min(1.0, WHOLE / (height * width))
    return max(FEWER[0], round(IMAGES * share)), max(FEWER[1], round(MORE * share))


def _preparation(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[np.ndarray, " n"], right: Bool[np.ndarray, " n"]
) -> Choice | None:
    """The preparation with the highest accuracy, if that is higher than as given."""
    least = right[:GLANCE].mean() - LIKELY
    likely = [
        (words, each)
        for words, each in candidates(x.shape[1])
        if _right(model, each.apply(x[:GLANCE]), y[:GLANCE]).mean() >= least
    ]
    scores = [_right(model, each.apply(x), y).mean() for _, each in likely]
    if not scores or max(scores) < right.mean() + MARGIN:
        return None
    return Choice(*likely[int(np.argmax(scores))])


def _classes(
    logits: Float32[np.ndarray, "n k"],
    y: Int64[np.ndarray, " n"],
    right: Bool[np.ndarray, " n"],
    classes: int,
) -> Choice | None:
    """The best order of the classes, if that is better than as given."""
    outputs, share = _best_order(logits, y, classes)
    return Choice(outputs=outputs) if share >= right.mean() + MARGIN else None


def _both(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[np.ndarray, " n"], classes: int
) -> Choice | None:
    """The preparation and the order of classes with the highest accuracy together."""

    def share(each: tuple[str, Preparation], n: int) -> float:
        return _best_order(_logits(model, each[1].apply(x[:n])), y[:n], classes)[1]

    ranked = sorted(candidates(x.shape[1]), key=lambda each: share(each, GLANCE), reverse=True)
    words, best = max(ranked[:FINALISTS], key=lambda each: share(each, len(x)))
    outputs, _ = _best_order(_logits(model, best.apply(x)), y, classes)
    return Choice(words, best, outputs)


def _best_order(
    logits: Float32[np.ndarray, "n k"], y: Int64[np.ndarray, " n"], classes: int
) -> tuple[Int64[np.ndarray, " classes"], float]:
    """The assignment of one output to each class that has the highest accuracy, and that accuracy."""
    from scipy.optimize import linear_sum_assignment

    predicted = logits.argmax(1)
    counts = np.zeros((classes, logits.shape[1]), dtype=np.int64)
    np.add.at(counts, (y, predicted), 2)
    counts[np.arange(classes), np.arange(classes)] += 1  # among equals the given order
    _, outputs = linear_sum_assignment(counts, maximize=True)
    return outputs, float((outputs[y] == predicted).mean())


def _better(
    model: nn.Module,
    data: Images,
    rest: Int64[np.ndarray, " m"],
    device: str,
    choices: Sequence[Choice | None],
) -> Suspicion | None:
    """The best choice, if it is clearly better on other images."""
    chosen = [each for each in choices if each is not None]
    if not len(rest) or not chosen:
        return None
    x, y = _drawn(data, rest, device), data.labels[rest]
    given = _logits(model, x).argmax(1)

    def correct(each: Choice) -> Bool[np.ndarray, " m"]:
        predicted = _logits(model, each.preparation.apply(x)).argmax(1) if each.preparation else given
        return each.wanted(y) == predicted

    tried = [(each, correct(each)) for each in chosen]
    best, other = max(tried, key=lambda each: each[1].mean())
    right = given == y
    if not _clearly_better(other, right) or _at_chance(other, y, len(data.classes)):
        return None
    return best.suspicion(
        f"{_percent(other)} of {len(rest)} clean images are right {{}}, and {_percent(right)} as given"
    )


def _clearly_better(other: Bool[np.ndarray, " n"], right: Bool[np.ndarray, " n"]) -> bool:
    p = mcnemar_lower(int((other & ~right).sum()), int((right & ~other).sum()))
    return p < LEVEL and bool(other.mean() >= right.mean() + MARGIN)


def _at_chance(right: Bool[np.ndarray, " n"], y: Int64[np.ndarray, " n"], classes: int) -> str:
    """A sentence if accuracy is that of a constant answer, or not far above it."""
    from scipy import stats

    chance = max(1 / classes, _commonest(y))
    accuracy = right.mean()
    told = stats.binom.sf(int(right.sum()) - 1, len(right), chance) < 0.05
    near = accuracy < 3 / classes and accuracy - chance < NEAR_CHANCE * (1 - chance)
    if told and not near:
        return ""
    return (
        f"{_percent(right)} of {len(right)} clean images are right, and {100 * chance:.0f} % by always giving the same "
        "class: accuracy is at or near chance, and robust accuracy means nothing; check weights, preparation "
        "and classes"
    )


def _commonest(y: Int64[np.ndarray, " n"]) -> float:
    """The accuracy of the best constant answer."""
    return float(np.bincount(y).max() / len(y))


def _training_mode(model: nn.Module, x: Float[Tensor, "n c h w"], logits: Float32[np.ndarray, "n k"]) -> str:
    """A sentence if a model behaves as in training."""
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


def _probabilities(logits: Float32[np.ndarray, "n k"]) -> bool:
    """Whether every image's outputs are 0 or more and sum to 1."""
    return bool((logits >= 0).all() and (abs(logits.sum(1) - 1) < ROUNDED).all())


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
