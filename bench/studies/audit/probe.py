"""A short test of the model itself, without any attack library.

``probe`` runs the model a few hundred times on a few images and returns plain arrays, which
``bench.studies.audit.findings_probe`` judges. A suspect model may do anything when it is called, so faults are caught
and recorded for each part; the caller's random state and torch's switches are restored.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.engine.seeding import seeded
from bench.inputs.switches import left_alone
from bench.studies.audit import probe_answers, probe_gradients, probe_state
from bench.studies.audit.findings_probe import ENOUGH
from bench.studies.audit.probe_answers import NORMALISATIONS
from bench.studies.audit.subject import ProbedModel, told

IMAGES = {False: 32, True: 64}  # quick, full
FEW = 8  # images for tests that do not depend on the image

PARTS: dict[str, Callable[[ProbedModel], dict[str, np.ndarray]]] = {
    "logits": probe_answers.logits,
    "reload": probe_state.reload,
    "purity": probe_state.purity,
    "calls": probe_state.calls,
    "gradients": probe_gradients.gradients,
    "finite": probe_gradients.finite,
    "promise": probe_gradients.promise,
    "trace": probe_gradients.trace,
    "landscape": probe_answers.landscape,
    "libraries": probe_gradients.libraries,
    "batches": probe_answers.batches,
    "turned": probe_answers.turned,
    "normalised": probe_answers.normalised,
    "repeats": probe_answers.repeats,  # last, so that much time lies between its first and last outputs
}
# they use few images, and the model itself instead of its faster equal
OF_THE_MODEL = ("reload", "purity", "calls", "libraries", "repeats")
PASSES = (84, 45)  # most passes of each image of the full tests, and further ones of each of the few


def most_passes(n: int, full: bool) -> int:
    """Images that ``probe`` puts through a model at most, of n images, where the model declares no symmetry."""
    closely, again = PASSES
    normalised = n * (2 + len(NORMALISATIONS)) if n >= ENOUGH else 0
    return closely * min(n, IMAGES[full]) + again * min(n, FEW) + normalised


def probe(
    model: nn.Module,
    raw: nn.Module,
    x: Float[Tensor, "m c h w"],
    y: Int64[Tensor, " m"],
    *,
    seed: int,
    group: str | None = None,
    full: bool,
    equal: nn.Module | None = None,
) -> dict[str, np.ndarray]:
    """Tests a model, and never raises an exception of its code.

    Args:
        model: deployed: frozen, in eval mode, on the device of ``x``.
        raw: a fresh instance as its author built it, never called; it is copied and left as it is.
        x: up to 200 images (m, c, h, w), float32 in [0, 1]. The first 32, or 64 if ``full``, get all tests, the first 8
            repeated ones; the check for normalisation uses all of them.
        y: their labels (m,), int64.
        seed: all random draws derive from it.
        group: symmetry to test; ``None`` takes the one that ``raw.symmetry`` declares, if any.
        full: use more images.
        equal: the faster equal of ``model``, used where only outputs and gradients count; ``None`` for none.

    Returns:
        Arrays by name, listed in ``docs/audit.md``; ``fault_<part>`` is a text if a part failed.
    """
    n = min(IMAGES[full], len(x))
    declares = getattr(raw, "symmetry", None)
    declared = group if group is not None else declares if isinstance(declares, str) else None
    subject = ProbedModel(
        model=model if equal is None else equal,
        raw=raw,
        x=x[:n],
        y=y[:n],
        all_x=x,
        all_y=y,
        group=declared,
        seed=seed,
    )
    found: dict[str, np.ndarray] = {}
    for name, part in PARTS.items():
        with left_alone(), seeded(x.device, seed, "probe", name):
            try:
                found |= part(subject.first(FEW, model) if name in OF_THE_MODEL else subject)
            except (Exception, SystemExit) as fault:  # anything that the model's own code raises
                found[f"fault_{name}"] = np.array(told(fault))
    return found
