"""Broken models, and which checks must catch which: ``EXPECTED`` in both modes, ``FULL_ONLY`` in full."""

from __future__ import annotations

import ast
from pathlib import Path

# what the command line takes for each model, by its name
BUILT = {
    node.name: f"{file}:{node.name}"
    for file in sorted((Path(__file__).parent / "broken_models").glob("*.py"))
    for node in ast.parse(file.read_text("utf-8")).body
    if isinstance(node, ast.FunctionDef)
}

EXPECTED: dict[str, tuple[str, ...]] = {
    "quantised": ("C3",),
    "saturated": ("C3",),
    "gives_up": ("C3",),
    "clipped": ("C3",),
    "binarised": ("C3",),
    "blind_when_clean": ("C3",),
    "blind_when_attacked": ("C3",),
    "detached": ("C4",),
    "no_graph": ("C4",),
    "through_numpy": ("C4",),
    "one_hot": ("C2", "C4"),
    "wrong_sign": ("C10", "C32"),
    "random_gradient": ("C1",),
    "fixed_gradient": ("C32",),
    "shattered": ("C10", "C32"),
    "decoy": ("C32",),
    "noisy": ("C1",),
    "rarely_noisy": ("C1",),
    "random_shift": ("C1",),
    "dropout": ("C1",),
    "numpy_noise": ("C1",),
    "reseeded": ("C1", "C21"),
    "noise_of_the_batch": ("C21",),
    "batch_norm_training": ("C21", "C24"),
    "centred_on_the_batch": ("C21",),
    "alone": ("C21",),
    "first_come": ("C21",),
    "detects_gradients": ("C21",),
    "changes_the_image": ("C24",),
    "remembers": ("C1", "C24"),
    "remembers_elsewhere": ("C1", "C24"),
    "tires": ("C24",),
    "counts_in_a_closure": ("C24",),
    "switches_gradients_off": ("C24",),
    "stale": ("C30",),
    "softmax": ("C2",),
    "percent": ("C2",),
    "nan_when_attacked": ("C25",),
    "only_the_best": ("C25",),
    "expects_normalised": ("C31",),
    "expects_bytes": ("C31",),
    "says_p4": ("C29",),
    "optimises": ("C5",),
    "optimises_unseen": ("C5",),
    "k_winners": ("C17",),
}

FULL_ONLY: dict[str, tuple[str, ...]] = {
    "wrong_sign": ("C7",),
    "fixed_gradient": ("C7",),
    "shattered": ("C7",),
    "decoy": ("C7",),
    "k_winners": ("C7", "C16"),
}

HONEST_ZOO = (
    "baseline_cnn_4",
    "equivariant_gcnn_4",
    "baseline_cnn_4.pgd_at",
    "equivariant_gcnn.pgd_at",
    "parallel_gcnn.fgsm_mix",
)
HONEST = ("log_softmax", "warm", "blurred", "eight_bit", "clamped", "fills_a_cache")
