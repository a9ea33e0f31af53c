"""The gradients that an attack needs at most."""

from __future__ import annotations

from collections.abc import Callable

from bench.attacks.request import Request

ART_ROUNDS = 53 * 21  # bounds τ from 1 to 1/256, nine tenths at a time, and constants for each, of C&W in L∞
LIKELIEST = 9  # wrong classes that most attacks stop at
LOOKS = 2.0  # gradients' worth of passes besides, by library and judge, at most: for each run of an attack
FORWARD = 1 / 3  # a forward pass alone, in gradients


def passes(request: Request, classes: int) -> float:
    """Gradients an attack needs at most for one image among so many classes; forward passes count too."""
    params = dict(request.params)

    def of(name: str) -> int:
        return int(params.get(name) or 1)

    wrong = max(1, classes - 1)
    return (
        of("restarts")
        * min(of("targets"), wrong)
        * (LOOKS + _run(request.attack, request.library, of, wrong))
    )


def _run(attack: str, library: str, of: Callable[[str], int], wrong: int) -> float:
    """Gradients of one run of an attack, aimed at one class if the judge aims it; ``wrong`` classes there are."""
    steps, aims = of("steps") * of("eot"), min(wrong, LIKELIEST)
    forward = {
        "square": of("queries"),
        "pixle": 2 * of("queries"),
        "noise": of("queries"),
        "boundary": of("queries"),
        "hopskipjump": of("queries"),
        "spsa": of("queries"),
        "spatial_grid": of("rotations") * of("translations") ** 2,
        "spatial_random": of("draws"),
    }
    if attack in forward:
        return forward[attack] * FORWARD
    if attack.startswith("autoattack"):
        return _autoattack(attack if library == "torchattacks" else "l1", steps, wrong)
    return {
        "apgd_ce": steps + 3,  # in L1 it starts in three balls
        "apgd_dlr": steps + 3,
        "apgd_t": _apgd_t(steps, aims) if library == "torchattacks" else steps + 3,  # the judge aims it
        "fab_t": _fab_t(steps, aims),
        "fmn": 2 * (steps + LOOKS),  # DDN first
        "deepfool": steps * aims,
        "cw": ART_ROUNDS * (steps + 1) * (2 + 2 * FORWARD) if library == "art" else 9 * steps,
        "vmi_fgsm": 6 * steps,
        "ead": 9 * steps * (1 + FORWARD),
    }.get(attack, steps)


def _autoattack(version: str, steps: int, wrong: int) -> float:
    """Of all its parts, with a look at what stands after each."""
    aims = min(wrong, LIKELIEST)
    black_box = 5000 * FORWARD + 4 * LOOKS
    if version == "autoattack_rand":
        return 2 * 20 * (steps + 1) + LOOKS
    if version == "autoattack_plus":  # five starts; each step of FAB costs a gradient for every class
        fab = 5 * (3 * FORWARD + steps * (wrong + 1 + FORWARD))
        return 2 * 5 * (steps + 1) + fab + _apgd_t(steps, aims) + _fab_t(steps, aims) + black_box + 4 * LOOKS
    if version == "l1":
        return 5 * (steps + 3) + min(wrong, 5) * (steps + 3) + _fab_t(steps, aims) + black_box
    return steps + 1 + _apgd_t(steps, aims) + _fab_t(steps, aims) + 5000 * FORWARD + 3 * LOOKS


def _apgd_t(steps: int, aims: int) -> float:
    return aims * (FORWARD + steps + 1)


def _fab_t(steps: int, aims: int) -> float:
    return aims * (3 * FORWARD + steps * (1 + FORWARD))
