"""What can be measured: one folder a study. Importing this loads none of them."""

from __future__ import annotations

# kind of cell → the ``bench.engine.kind.Kind`` that measures it
KINDS: dict[str, str] = {
    "clean": "bench.attacks.measure:CLEAN",
    "attack": "bench.attacks.measure:ATTACK",
    "released": "bench.studies.released.cells:KIND",
    "clever": "bench.studies.clever.cells:KIND",
    "minimum_norm": "bench.studies.clever.cells:KIND",
    "mip": "bench.studies.mip.cells:KIND",
    "spatial": "bench.studies.spatial.cells:KIND",
    "probe": "bench.studies.audit.cells:KIND",
}
