"""The figure for papers of the trade-off: spatial against adversarial accuracy."""

from __future__ import annotations

from collections.abc import Sequence

from bench.engine.store import Store
from bench.errors import UsageError
from bench.pages.captioned import Captioned, chosen
from bench.pages.figures import figure_style
from bench.pages.lead import counted
from bench.studies.tradeoff.collect import collect_tradeoff, tradeoffs
from bench.studies.tradeoff.figures import planes_sheet


@figure_style()
def planes(store: Store, dataset: str | None, models: Sequence[str], attack: str | None) -> Captioned:
    """The planes of the newest run.

    Args:
        store: where the runs are.
        dataset: only runs on this data set.
        models: names of designs, without seeds; empty for all.
        attack: must be ``None``.

    Raises:
        UsageError: the store has no such run.
    """
    if attack is not None:
        raise UsageError("--attack is for --kind curves: the plane is of PGD and of the front's attack")
    runs = tradeoffs(store, dataset)
    if not runs:
        raise UsageError("the store has no run of the trade-off; run bench tradeoff")
    found = collect_tradeoff(store, list(runs.values())[-1])
    groups = chosen(found.groups, [group.name for group in found.groups], models)
    text = (
        f"Accuracy under random rotation against accuracy under attack (PGD; {found.front_name} with the Pareto front) "
        f"of {counted(len(groups), 'model')} on the first {counted(found.setting.n, 'image')} of "
        f"{found.setting.dataset}; bars are 95 % intervals over images, crosses single training seeds."
    )
    return Captioned(planes_sheet(found, groups), text)
