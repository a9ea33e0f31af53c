"""The sizes of all layers, equal for all architectures of one depth."""

from __future__ import annotations

from dataclasses import dataclass

CHANNELS = {
    10: (8, 16, 16, 32, 32, 32, 64, 64, 64, 128),
    4: (8, 32, 64, 128),
}
RELEASED_CHANNELS = {  # those of the paper's own scripts
    10: (16, 32, 32, 64, 64, 128, 128, 256, 256, 256),
    4: (16, 64, 128, 256),
}
POOLED_LAYERS = {10: (2, 5, 8), 4: (1, 2, 3)}  # counted from 1; each halves the maps


@dataclass(frozen=True)
class Layout:
    """Sizes of one model.

    Attributes:
        image_channels: 1 or 3.
        size: height and width of the images.
        classes: number of logits.
        channels: output channels of each convolutional layer, the first being one branch of the front.
        pooled: the layers, counted from 1, that a 2×2 max pooling follows.
    """

    image_channels: int
    size: int
    classes: int
    channels: tuple[int, ...]
    pooled: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.image_channels not in (1, 3):
            raise ValueError(
                f"channels={self.image_channels}: images have 1 or 3; repeat or drop channels first"
            )
        if self.classes < 2:
            raise ValueError(f"classes={self.classes}: a classifier needs 2 or more")
        if self.size < 16 or self.size % 8:
            raise ValueError(
                f"size={self.size}: must be 16 or more and divisible by 8; pad or resize the images"
            )


def layout(depth: int, width: float | str, *, channels: int, size: int, classes: int) -> Layout:
    """The layout of depth 10 or 4 and a width: a factor above 0, or ``"released"``, the paper's scripts'.

    Channel counts are multiples of 4, so that each splits into whole fields over p4. Raises ValueError for
    any value outside its range.
    """
    if depth not in CHANNELS:
        raise ValueError(f"depth={depth}: models have 10 or 4 layers")
    if width == "released":
        counts = RELEASED_CHANNELS[depth]
    elif isinstance(width, str) or not 0 < width < float("inf"):
        raise ValueError(f"width={width!r}: give a factor above 0, or 'released'")
    else:
        counts = tuple(max(4, 4 * round(count * width / 4)) for count in CHANNELS[depth])
    return Layout(channels, size, classes, counts, POOLED_LAYERS[depth])
