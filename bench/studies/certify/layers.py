"""The layers of a model that bounds are computed for."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bench.inputs.foreign import Foreign
from bench.inputs.preparation import Preparation, Prepared
from bench.studies.certify import lipschitz
from bench.studies.certify.lipschitz import Gain
from zoo import intervals
from zoo.intervals import Box, NoBounds, Rules


class Normalisation(nn.Module):
    """The options --mean, --std, --scale and --bgr as a layer, in the float32 numbers that the model uses."""

    def __init__(self, steps: Preparation) -> None:
        super().__init__()
        mean, std, scale = (
            torch.tensor(values, dtype=torch.float32).tolist()
            for values in (steps.mean, steps.std, (steps.scale,))
        )
        self.steps = replace(steps, mean=tuple(mean), std=tuple(std), scale=scale[0])
        # sums of absolute values, for rounding
        self.sizes = replace(self.steps, mean=tuple(-abs(each) for each in mean))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return self.steps.apply(x)


def layers_of(model: nn.Module) -> nn.Module:
    """The network itself; the options that normalise images become its first layer.

    Raises:
        zoo.intervals.NoBounds: no bounds are known of other options, or a factor is negative.
    """
    model = model.model if isinstance(model, Foreign) else model
    if not isinstance(model, Prepared):
        return model
    steps = model.preparation
    if replace(steps, mean=(), std=(), scale=1.0, bgr=False):
        raise NoBounds("no bounds are known with --input-size, --output or --classes")
    if min((steps.scale, *steps.std)) <= 0:
        raise NoBounds("no bounds are known with a negative --std or --scale")
    return nn.Sequential(Normalisation(steps), model.model)


@intervals.rule.register
def _(module: Normalisation, box: Box, rules: Rules) -> Box:
    return box.each(module).wider(module.sizes.apply(box.size), 3, rules.unit)


@lipschitz.rule.register
def _(module: Normalisation, gain: Gain) -> Gain:
    return gain.after(module, module.steps.scale / min(module.steps.std, default=1.0))
