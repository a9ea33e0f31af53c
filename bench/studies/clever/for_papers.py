"""The figure for papers of CLEVER scores: each image's estimate against the attack."""

from __future__ import annotations

from collections.abc import Sequence

from bench.engine.store import Store
from bench.errors import UsageError
from bench.pages.captioned import Captioned, chosen
from bench.pages.figures import figure_style
from bench.pages.format import norm_text
from bench.pages.lead import counted
from bench.studies.clever.collect import clever_history
from bench.studies.clever.figures import sandwich_sheet
from bench.studies.clever.tables import budget_text


@figure_style()
def sandwich(store: Store, dataset: str | None, models: Sequence[str], attack: str | None) -> Captioned:
    """The newest scores that stand beside an attack.

    Args:
        store: where the runs are.
        dataset: only scores on this data set.
        models: names; empty for all.
        attack: must be ``None``.

    Raises:
        UsageError: the store has no such scores.
    """
    if attack is not None:
        raise UsageError("--attack is for --kind curves: a sandwich is of the minimum-norm attack")
    found = [
        each for each in clever_history(store, dataset) if any("distance" in m.arrays for m in each.models)
    ]
    if not found:
        raise UsageError("the store has no CLEVER scores beside an attack; run bench clever")
    results = found[0]
    scored = [model for model in results.models if "distance" in model.arrays]
    shown = chosen(scored, [model.info.name for model in scored], models)
    setting = results.setting
    text = (
        f"CLEVER estimate against the {norm_text(setting.options.norm)} size of the smallest verified perturbation, a "
        f"point for each correctly classified image of the first {counted(setting.n, 'image')} of {setting.dataset}; "
        f"engine {setting.options.engine}, {budget_text(setting.options)}. Above the line the estimate is below the "
        "attack."
    )
    return Captioned(sandwich_sheet(shown, setting), text)
