"""Bicubic resizing as two fixed matrix products.

Equal to ``F.interpolate(mode="bicubic", align_corners=False, antialias=False)``, but deterministic in
the backward pass too, where torch's own kernel adds in any order on a GPU.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

_A = -0.75  # the free parameter of Keys' kernel, as torch sets it


def _keys(distance: Tensor) -> Tensor:
    d = distance.abs()
    near = ((_A + 2) * d - (_A + 3)) * d * d + 1
    far = ((d - 5) * d + 8) * d * _A - 4 * _A
    return torch.where(d <= 1, near, torch.where(d < 2, far, torch.zeros_like(d)))


def bicubic_matrix(size: int, new_size: int) -> Float64[Tensor, "{new_size} {size}"]:
    """The matrix (new_size, size), float64, that resizes one axis; its rows sum to 1 (Keys 1981)."""
    centre = (torch.arange(new_size, dtype=torch.float64) + 0.5) * (size / new_size) - 0.5
    taps = centre.floor()[:, None] + torch.arange(-1, 3)
    matrix = torch.zeros(new_size, size, dtype=torch.float64)
    columns = taps.long().clamp(0, size - 1)  # beyond the border the border pixel repeats
    return matrix.scatter_add(1, columns, _keys(centre[:, None] - taps))


class Resize(nn.Module):
    """(..., size, size) → (..., new_size, new_size), bicubic."""

    matrix: Tensor

    def __init__(self, size: int, new_size: int) -> None:
        super().__init__()
        self.size, self.new_size = size, new_size
        matrix = bicubic_matrix(size, new_size).to(torch.get_default_dtype())
        self.register_buffer("matrix", matrix, persistent=False)

    def _apply(self, fn, recurse=True):  # type: ignore[no-untyped-def]
        """Converts the exact matrix at ``.to``: one rounded to float32 would stay rounded in float64.

        A change of layout alone keeps the matrix: a GPU would wait for a new one at every ``deploy``.
        """
        before = self.matrix
        super()._apply(fn, recurse)
        if (self.matrix.dtype, self.matrix.device) != (before.dtype, before.device):
            self.matrix = bicubic_matrix(self.size, self.new_size).to(self.matrix)
        return self

    def forward(
        self, x: Float[Tensor, "*batch {self.size} {self.size}"]
    ) -> Float[Tensor, "*batch {self.new_size} {self.new_size}"]:
        return self.matrix @ x @ self.matrix.T
