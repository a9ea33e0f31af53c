"""The table of CLEVER scores."""

from __future__ import annotations

from bench.studies.clever.results import CleverResults
from bench.studies.clever.rows import clever_rows
from bench.studies.shared.terminal import Name, print_table


def clever_table(results: CleverResults) -> None:
    """Prints the models, the largest median score first."""
    setting, options = results.setting, results.setting.options
    rows = []
    for row, model in sorted(
        zip(clever_rows(results), results.models, strict=True), key=lambda pair: -pair[0]["clever_median"]
    ):
        distance, median = row["attack_median"], row["clever_median"]
        rows.append(
            [
                Name(row["model"]),
                f"{median:.4f}±{max(row['clever_hi'] - median, median - row['clever_lo']):.4f}",
                f"{row['clever_mean']:.4f}",
                "–" if distance is None else f"{distance:.4f}",
                *(
                    f"{100 * row[f'clever_{name}']:.0f} %"
                    for name in ("above_attack", "censored", "fallback")
                ),
                str(setting.n - row["clean_right"]),
                ", ".join(name.replace("_", " ") for name in model.raised()),
            ]
        )
    print_table(
        f"{setting.dataset}: CLEVER ({options.engine}, {options.norm}, radius {options.radius:g}), n = {setting.n}",
        [
            "model",
            "median",
            "mean",
            "attack",
            "above\nattack",
            "cen-\nsored",
            "fall-\nback",
            "wrong",
            "flags",
        ],
        rows,
        "± covers the median's 95 % bootstrap interval. CLEVER estimates a lower bound on the smallest "
        "perturbation that changes the decision; it certifies nothing.",
        left=("model", "flags"),
    )
