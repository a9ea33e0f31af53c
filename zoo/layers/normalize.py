"""The first layer of every model of the zoo."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class Normalize(nn.Module):
    """Pixels in [0, 1] to [-1, 1]: (x − 0.5) / 0.5. Inside the model, so that ε stays in pixel units."""

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return (x - 0.5) / 0.5
