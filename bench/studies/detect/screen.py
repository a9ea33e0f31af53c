"""Detection as a table of the terminal."""

from __future__ import annotations

import math

from bench.numbers.eps import eps_text
from bench.pages.format import percent
from bench.studies.detect.results import DetectResults
from bench.studies.shared.terminal import Name, print_table

CAPTION = (
    "In % of all images. both: under both attacks; plain: an attack that does not know the detector; adaptive: one "
    "that does, which is the number to believe. AUC: of misclassified attacked images against clean ones; 0.5 tells "
    "nothing."
)


def detection_table(results: DetectResults) -> None:
    """Prints the models in their order, a line for each ε."""
    rows = [
        [
            Name(model.info.name),
            eps_text(found.eps),
            *(
                percent(share.value)
                for share in (
                    model.clean_accuracy,
                    found.accepted,
                    found.undefended,
                    found.aware_plain,
                    found.aware,
                )
            ),
            *("–" if math.isnan(area) else f"{area:.3f}" for area in (found.auc_plain, found.auc_adaptive)),
        ]
        for model in results.models
        for found in model.radii
    ]
    print_table(
        f"{results.setting.dataset}: detection by layers that disagree, L∞, n = {results.setting.n}",
        [
            *("model", "ε", "clean", "clean,\naccepted", "both, no\ndetector", "plain", "adaptive"),
            *("AUC\nplain", "AUC\nadaptive"),
        ],
        rows,
        CAPTION,
        left=("model",),
    )
