"""Options of certificates as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.errors import UsageError, nearest
from bench.numbers.eps import images_kind, parse_eps

METHODS = ("ibp", "smoothing")
NORMS = ("l2", "linf")
PRESETS = {"cohen2019": 100_000}
SELECTION = 100  # samples that choose the class to certify (n₀)
SAMPLES = 10_000
SIGMA = 0.25
ALPHA = 0.001
WRONG = 0.001  # largest probability that an attack on the smoothed network is none
RADII = {  # radii of the rows, by norm and kind of images
    ("linf", "digits"): (0.01, 0.02, 0.05, 0.1),
    ("linf", "photographs"): (1 / 255, 2 / 255, 4 / 255, 8 / 255),
    ("l2", "digits"): (0.25, 0.5, 0.75, 1.0),
    ("l2", "photographs"): (0.25, 0.5, 0.75, 1.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifyOptions:
    """Everything that determines the certificates of given images under a given model.

    Attributes:
        method: ``ibp`` (interval and Lipschitz bounds) or ``smoothing``.
        norm: of the perturbation: ``l2`` or ``linf``.
        radii: at which certified accuracy is stated, ascending.
        sigma: standard deviation of smoothing's noise in pixel units; ``None`` for other methods, as are the next
            fields.
        selection: samples that choose the class.
        samples: further samples that estimate its share.
        alpha: chance that a certificate is wrong, for each image.
        orbit: whether the quarter turns of every image are smoothed too.
        seed: that samples and attacks derive from.
    """

    method: str
    norm: str
    radii: tuple[float, ...]
    sigma: float | None
    selection: int | None
    samples: int | None
    alpha: float | None
    orbit: bool
    seed: int

    @property
    def smooth(self) -> bool:
        """Whether the smoothed network is certified, not the network itself."""
        return self.method == "smoothing"


def parse_options(
    *,
    image_shape: Sequence[int],
    seed: int = 0,
    method: str = METHODS[0],
    norm: str | None = None,
    eps: str | None = None,
    sigma: float | None = None,
    samples: int | None = None,
    preset: str | None = None,
    alpha: float | None = None,
    orbit: bool = False,
) -> CertifyOptions:
    """Options from the command line; ``None`` stands for the default.

    Raises:
        UsageError: an unknown method, norm or preset, a value outside its range, or one that the method does not use.
    """
    smooth = method == "smoothing"
    norm = norm or ("l2" if smooth else "linf")
    _check_name("method", method, METHODS)
    _check_name("norm", norm, NORMS)
    if preset is not None:
        _check_name("preset", preset, tuple(PRESETS))
    given = {"sigma": sigma, "samples": samples, "preset": preset, "alpha": alpha, "orbit": orbit or None}
    useless = [name for name, value in given.items() if value is not None]
    if useless and not smooth:
        raise UsageError(f"--{useless[0]} is of --method smoothing; --method {method} has no use for it")
    if preset is not None and samples is not None:
        raise UsageError(f"--preset {preset} means {PRESETS[preset]} samples; leave out --samples")
    return CertifyOptions(
        method=method,
        norm=norm,
        radii=RADII[norm, images_kind(image_shape)] if eps is None else parse_eps(eps.split(",")),
        sigma=_number("sigma", SIGMA if sigma is None else sigma, float("inf")) if smooth else None,
        selection=SELECTION if smooth else None,
        samples=(samples or PRESETS.get(preset or "", SAMPLES)) if smooth else None,
        alpha=_number("alpha", ALPHA if alpha is None else alpha, 0.5) if smooth else None,
        orbit=orbit,
        seed=seed,
    )


def _check_name(what: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise UsageError(f"unknown --{what} {value!r}; {nearest(value, known)}")


def _number(name: str, value: float, end: float) -> float:
    if not 0 < value < end:
        bound = "" if end == float("inf") else f" and below {end:g}"
        raise UsageError(f"--{name} is {value}; it must be a finite number above 0{bound}")
    return float(value)
