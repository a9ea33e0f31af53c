"""Results as a table, as curves, and as HTML for a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.errors import UsageError
from bench.numbers.eps import eps_texts
from bench.numbers.stats import Share, wilson
from bench.pages.format import distinct_names, norm_text
from bench.pages.style import INK, PALETTE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

WORST = "worst case"
COLUMNS = ("model", "attack", "eps", "n", "clean_acc", "robust_acc", "robust_lo", "robust_hi")


@dataclass(frozen=True, slots=True)
class AccuracyLine:
    """The accuracies of one model under one attack.

    Attributes:
        model, attack: their names; the attack is ``worst case`` where it stands for all of the model's attacks.
        suspect: what the first look at the model found, else empty.
        clean: accuracy without attack.
        shares: accuracy at each ε of the grid; a single one for a spatial attack.
        spatial: whether the attack rotates and shifts images, and so belongs to no ε.
    """

    model: str
    attack: str
    suspect: str
    clean: Share
    shares: tuple[Share, ...]
    spatial: bool = False


class Shown:
    """Methods of results that show them."""

    __slots__ = ()
    setting: Any
    models: Any

    def to_frame(self) -> pd.DataFrame:
        """One row for each model, attack and ε, and for the worst case where a model met several attacks.

        Returns:
            Columns ``model``, ``attack``, ``eps`` (pixel units; NaN for a spatial attack), ``n`` (images),
            ``clean_acc``, ``robust_acc``, ``robust_lo`` and ``robust_hi`` (95 % interval); accuracies are
            fractions in [0, 1] of all n images.
        """
        import pandas as pd

        rows = [
            (line.model, line.attack, eps, self.setting.n, line.clean.value, share.value, share.lo, share.hi)
            for line in _lines(self)
            for eps, share in zip([np.nan] if line.spatial else self.setting.eps, line.shares, strict=True)
        ]
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draws accuracy against ε with 95 % bands: each attack of one model, or the worst case of each of several.

        Args:
            ax: where to draw; by default a new figure of ``matplotlib.pyplot``.

        Returns:
            The axes that were drawn on.

        Raises:
            UsageError: the results have no attack with an ε.
        """
        from bench.pages.figures import figure_style

        several = len(self.models) > 1
        lines = _curves(self, last=several)
        if not lines:
            raise UsageError("there is no curve to draw: no attack with an ε was measured; try to_frame()")
        with figure_style():
            if ax is None:
                import matplotlib.pyplot as plt

                _, ax = plt.subplots(figsize=(5, 3.2), layout="constrained")
                ax.set_prop_cycle(color=PALETTE)
            for line in lines:
                _draw(ax, self.setting.eps, line, line.model if several else line.attack)
            _dress(ax, self)
        return ax

    def __repr__(self) -> str:
        names = ", ".join(model.info.name for model in self.models)
        setting = self.setting
        eps = ", ".join(eps_texts(setting.eps))
        return f"Results({names} on {setting.n} images of {setting.dataset}, {setting.norm}, ε = {eps})"

    def _repr_html_(self) -> str:
        """The table that a notebook shows."""
        from bench.pages.frame import environment

        template = environment().get_template("results.html.j2")
        return template.render(results=self, eps=eps_texts(self.setting.eps), lines=_lines(self))


def _lines(results: Shown) -> list[AccuracyLine]:
    """All lines of a table, in the order of models and attacks."""
    return [line for model in results.models for line in _lines_of(model, results.setting.n)]


def _curves(results: Shown, *, last: bool) -> list[AccuracyLine]:
    """The lines over the grid; of each model the ``last`` alone, which is its worst case or its only attack."""
    each = ([x for x in _lines_of(model, results.setting.n) if not x.spatial] for model in results.models)
    return [line for lines in each for line in (lines[-1:] if last else lines)]


def _lines_of(model: Any, n: int) -> list[AccuracyLine]:
    """A line for each attack; after several over the grid comes their worst case, and spatial ones are last."""
    about = model.info.name, model.info.suspect, wilson(int(model.clean.correct.sum()), n)
    names = distinct_names(curve.request for curve in (*model.curves, *model.spatial))
    found = [_line(about, names[curve.request], curve.standing, n) for curve in model.curves]
    if len(found) > 1:
        found.append(_line(about, WORST, model.worst(), n))
    spatial = [_line(about, names[curve.request], curve.standing, n, spatial=True) for curve in model.spatial]
    return [*found, *spatial]


def _line(
    about: tuple[str, str, Share], attack: str, standing: np.ndarray, n: int, *, spatial: bool = False
) -> AccuracyLine:
    shares = tuple(wilson(int(row.sum()), n) for row in standing)
    name, suspect, clean = about
    return AccuracyLine(name, attack, suspect, clean, shares, spatial)


def _draw(ax: Axes, grid: tuple[float, ...], line: AccuracyLine, name: str) -> None:
    """One line with its band, from clean at ε = 0 unless the grid has a measurement there."""
    eps, shares = (grid, line.shares) if grid[0] == 0 else ((0.0, *grid), (line.clean, *line.shares))
    style: Any = {"color": INK, "linestyle": "--"} if name == WORST else {"marker": "o", "markersize": 3.5}
    (drawn,) = ax.plot(eps, [100 * share.value for share in shares], label=name, **style)
    lo, hi = ([100 * getattr(share, end) for share in shares] for end in ("lo", "hi"))
    ax.fill_between(eps, lo, hi, color=drawn.get_color(), alpha=0.13, linewidth=0)


def _dress(ax: Axes, results: Shown) -> None:
    setting = results.setting
    images = f"{setting.dataset}, {setting.n:,} images"
    title = (
        f"{images}: worst case" if len(results.models) > 1 else f"{results.models[0].info.name} on {images}"
    )
    ax.set_title(title, loc="left")
    ax.set_xlabel(f"ε ({norm_text(setting.norm)}); 0 is clean")
    ax.set_ylabel("accuracy, %")
    ax.set_ylim(-2, 102)
    ax.legend(frameon=False)
