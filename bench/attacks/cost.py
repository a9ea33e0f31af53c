"""The most that an attack needs: gradients, which predict its time, and passes, which its budget counts."""

from __future__ import annotations

import math

from bench.attacks.request import Request

ART_ROUNDS = 53 * 21  # bounds τ from 1 to 1/256, nine tenths at a time, and constants for each, of C&W in L∞
LIKELIEST = 9  # most attacks try no more wrong classes
LOOKS = 2.0  # most passes of library and judge besides, in gradients, for each run of an attack
BOUNDARY = 120  # most passes of Brendel & Bethge's attack before its first step
FORWARD = 1 / 3  # a forward pass takes this share of a gradient's time


def passes(request: Request, classes: int) -> float:
    """The most gradients that an attack needs for one image, in time; a forward pass counts a third."""
    return _runs(request, classes) * (LOOKS + _run(request, classes, FORWARD))


def asked(request: Request, classes: int) -> int:
    """The most forward and backward passes that an attack needs for one image; a gradient counts two."""
    return math.ceil(_runs(request, classes) * (2 + 2 * _run(request, classes, 1 / 2)))


def _runs(request: Request, classes: int) -> int:
    """Calls of the attack: its restarts times the classes that the judge aims it at."""
    return _of(request, "restarts") * min(_of(request, "targets"), max(1, classes - 1))


def _of(request: Request, name: str) -> int:
    return int(dict(request.params).get(name) or 1)


def _run(request: Request, classes: int, forward: float) -> float:
    """Gradients of one run of an attack, at one class if the judge sets it; a forward pass is ``forward`` of one."""
    attack, library, wrong = request.attack, request.library, max(1, classes - 1)
    steps, aims = _of(request, "steps") * _of(request, "eot"), min(wrong, LIKELIEST)
    queries = _of(request, "queries")
    looks = {
        "square": queries,
        "pixle": 2 * queries,
        "noise": queries,
        "boundary": queries,
        "hopskipjump": queries,
        "spsa": queries,
        "spatial_grid": _of(request, "rotations") * _of(request, "translations") ** 2,
        "spatial_random": _of(request, "draws"),
    }
    if attack in looks:
        return looks[attack] * forward
    if attack.startswith("autoattack"):
        return _autoattack(attack if library == "torchattacks" else "l1", steps, wrong, forward)
    return {
        "apgd_ce": steps + 3,  # in L1 it starts in three balls
        "apgd_dlr": steps + 3,
        "apgd_t": _apgd_t(steps, aims, forward)
        if library == "torchattacks"
        else steps + 3,  # the judge aims it
        "fab_t": _fab_t(steps, aims, forward),
        "fmn": 2 * (steps + LOOKS),  # DDN first
        "deepfool": steps * aims,
        "cw": ART_ROUNDS * (steps + 1) * (2 + 2 * forward) if library == "art" else 9 * steps,
        "vmi_fgsm": 6 * steps,
        "ead": 9 * steps * (1 + forward),
        "brendel_bethge": steps + BOUNDARY * forward,
    }.get(attack, steps)


def _autoattack(version: str, steps: int, wrong: int, forward: float) -> float:
    """Gradients of all parts of AutoAttack, with a check of the images after each."""
    aims = min(wrong, LIKELIEST)
    black_box = 5000 * forward + 4 * LOOKS
    if version == "autoattack_rand":
        return 2 * 20 * (steps + 1) + LOOKS
    if version == "autoattack_plus":  # five starts; each step of FAB costs a gradient for every class
        fab = 5 * (3 * forward + steps * (wrong + 1 + forward))
        return (
            2 * 5 * (steps + 1)
            + fab
            + _apgd_t(steps, aims, forward)
            + _fab_t(steps, aims, forward)
            + black_box
            + 4 * LOOKS
        )
    if version == "l1":
        return 5 * (steps + 3) + min(wrong, 5) * (steps + 3) + _fab_t(steps, aims, forward) + black_box
    return (
        steps + 1 + _apgd_t(steps, aims, forward) + _fab_t(steps, aims, forward) + 5000 * forward + 3 * LOOKS
    )


def _apgd_t(steps: int, aims: int, forward: float) -> float:
    return aims * (forward + steps + 1)


def _fab_t(steps: int, aims: int, forward: float) -> float:
    return aims * (3 * forward + steps * (1 + forward))
