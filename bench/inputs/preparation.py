"""Steps before and after a model that does not do them itself: images are prepared, logits put in the data's order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from bench.errors import UsageError, data_in_words, nearest
from bench.inputs.outputs import logits_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """Steps in this order: to ``size``, times ``scale``, channels reversed if ``bgr``, minus ``mean``, over ``std``.

    Attributes:
        size: images of another side are resized to this, bilinearly.
        scale: factor of the pixels, which are in [0, 1]; 255 for models of 8-bit values.
        bgr: whether the model's first channel is blue.
        mean, std: a value for each channel, in the units after ``scale``; empty for none.
        classes: for each class of the data set, the number of its output in the model; empty if the order is the same.
        output: name or position of the logits in the model's output; empty to find them.
    """

    size: int | None = None
    scale: float = 1.0
    bgr: bool = False
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    classes: tuple[int, ...] = ()
    output: str = ""

    def __bool__(self) -> bool:
        return self != AS_IT_IS

    def apply(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c height width"]:
        """The images as the model expects them."""
        if self.size and x.shape[-2:] != (self.size, self.size):
            x = F.interpolate(x, (self.size, self.size), mode="bilinear", antialias=True)
        if self.scale != 1:
            x = x * self.scale
        if self.bgr:
            x = x.flip(1)
        if self.mean:
            x = x - _each(self.mean, x)
        return x / _each(self.std, x) if self.std else x

    @property
    def flags(self) -> str:
        """The command-line options for this preparation, without those of classes."""
        words = [f"--scale {self.scale:g}"] if self.scale != 1 else []
        words += ["--bgr"] if self.bgr else []
        for name in ("mean", "std"):
            values = ",".join(f"{each:.6g}" for each in getattr(self, name))
            words += [f"--{name}={values}"] if values else []
        return " ".join(words)


AS_IT_IS = Preparation()


class Prepared(nn.Module):
    """A model with its preparation; gives logits (n, classes of the data set) if the preparation names the classes."""

    def __init__(self, model: nn.Module, preparation: Preparation) -> None:
        super().__init__()
        self.model, self.preparation = model, preparation
        self.outputs = list(preparation.classes)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        answer = self.model(self.preparation.apply(x))
        logits = logits_of(answer, len(x), self.preparation.output)
        return logits[:, self.outputs] if self.outputs else logits


def check_preparation(preparation: Preparation, channels: int, dataset: str) -> None:
    """Raises ``UsageError`` unless it fits the images of a data set, which have so many channels."""
    images = f"the images of {data_in_words(dataset)} have {channels} channel{'s' * (channels > 1)}"
    for name in ("mean", "std"):
        values = getattr(preparation, name)
        if values and len(values) not in (1, channels):
            raise UsageError(f"--{name} has {len(values)} values, but {images}")
    if any(value == 0 for value in preparation.std):
        raise UsageError("--std has a 0, and images cannot be divided by it; give the standard deviation")
    if preparation.bgr and channels != 3:
        raise UsageError(f"--bgr reverses red, green and blue, but {images}; leave it out")


def output_numbers(outputs: Sequence[str], classes: Sequence[str]) -> tuple[int, ...]:
    """The number of the output for each class of the data; empty if nothing was specified.

    Args:
        outputs: that number for each class, or the names of all outputs of the model in their order.
        classes: names of the data set's classes.

    Raises:
        UsageError: the numbers are not one for each class and all different, or no output has the name of a class.
    """
    if not all(map(str.isdecimal, outputs)):
        return tuple(_place(name, outputs) for name in classes)
    numbers = tuple(map(int, outputs))
    if outputs and not len(numbers) == len(set(numbers)) == len(classes):
        raise UsageError(
            f"--classes names {len(set(numbers))} different outputs, but the data have {len(classes)} classes; give "
            "the number of the output for each class, in the order of the data set's classes"
        )
    return numbers


def _place(name: str, outputs: Sequence[str]) -> int:
    if (found := outputs.count(name)) == 1:
        return outputs.index(name)
    lack = f"names {found} outputs {name!r}" if found else f"names no output {name!r}"
    raise UsageError(
        f"--classes {lack}, a class of the data; {nearest(name, outputs)}; give the names of the model's outputs in "
        "their order, or the number of the output for each class"
    )


def _each(values: tuple[float, ...], x: Tensor) -> Tensor:
    return torch.tensor(values, dtype=x.dtype, device=x.device).view(1, -1, 1, 1)
