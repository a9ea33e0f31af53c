"""The table of studies, one folder each. Importing this loads none of them."""

from __future__ import annotations

GROUP = "symbench.studies"  # entry points of studies outside this package

# command → folder with ``arguments.py`` (``add_options``, which loads nothing heavy) and ``study.py`` (``STUDY``), and
# what it does
STUDIES: dict[str, tuple[str, str]] = {
    "run": ("bench.studies.attacked", "measure models under attacks; write leaderboard, figures and report"),
    "audit": ("bench.studies.attacked.audits", "check whether a model's numbers may be believed"),
    "clever": ("bench.studies.clever", "estimate how far images are from the decision boundary (CLEVER)"),
    "certify": ("bench.studies.certify", "certify distances within which no image is classified otherwise"),
    "detect": ("bench.studies.detect", "measure a detector of attacked images, and an attack that knows it"),
    "invariance": (
        "bench.studies.invariance",
        "measure on which images of another class, by a proxy, a model keeps its answer",
    ),
    "theory": ("bench.studies.theory", "measure what the paper's theory says of a model"),
    "mip": (
        "bench.studies.mip",
        "measure how many random pixel values can be removed (maximum invariant perturbation)",
    ),
    "spatial": ("bench.studies.spatial", "measure accuracy under rotations and translations"),
    "tradeoff": (
        "bench.studies.tradeoff",
        "measure what robustness to rotations costs in adversarial robustness, and the other way round",
    ),
    "reproduce": (
        "bench.studies.paper",
        "measure a published paper's tables, figures and claims, and show both side by side",
    ),
}

# kind of cell → the ``bench.engine.kind.Kind`` that measures it
KINDS: dict[str, str] = {
    "clean": "bench.attacks.measure:CLEAN",
    "attack": "bench.attacks.measure:ATTACK",
    "released": "bench.studies.released.cells:KIND",
    "clever": "bench.studies.clever.cells:KIND",
    "minimum_norm": "bench.studies.clever.cells:KIND",
    "certificate": "bench.studies.certify.cells:KIND",
    "detect": "bench.studies.detect.cells:KIND",
    "invariance": "bench.studies.invariance.cells:KIND",
    "mip": "bench.studies.mip.cells:KIND",
    "spatial": "bench.studies.spatial.cells:KIND",
    "probe": "bench.studies.audit.cells:KIND",
    "theory": "bench.studies.theory.cells:KIND",
}
