"""Common preparations of images, each of which a user may have forgotten or applied twice."""

from __future__ import annotations

from collections.abc import Iterator

from bench.inputs.preparation import Preparation

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CIFAR10 = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
HALVES = (0.5,), (0.5,)
MNIST = (0.1307,), (0.3081,)


def candidates(channels: int) -> Iterator[tuple[str, Preparation]]:
    """Other preparations, each with its meaning in words."""
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
