"""``bench init``: a model file and a request to begin with."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bench.errors import UsageError
from bench.studies.shared.screen import say

MODEL = '''\
"""Your own model. `bench run` imports this file and calls the function that bench.toml names."""

import torch
from torch import nn


class Normalise(nn.Module):
    """Images come in [0, 1], shape (n, c, h, w). What you do to them before your network belongs here, inside the
    model: then ε is in pixel units, the same for all models."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - 0.5) / 0.5


def net() -> nn.Module:
    """Gives the model; it returns logits (n, classes) in the order of the data's classes."""
    torch.manual_seed(0)  # its weights are random here, so it knows nothing yet
    model = nn.Sequential(Normalise(), nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 10))
    # Your weights: load them here, or name the file in bench.toml (weights = "my_weights.safetensors").
    # model.load_state_dict(torch.load("my_weights.pt", weights_only=True))
    return model
'''
REQUEST = """\
# What `bench run bench.toml` measures. Keys are options of bench run (bench run --help lists them), and options on the
# command line count more: bench run bench.toml --n 360

# your model as FILE.py:FUNCTION; names of the zoo stand beside it for comparison (bench list models)
models = ["my_model.py:net", "baseline_cnn"]
# weights = "my_weights.safetensors"        # .safetensors, or .pt as trainings save it

# digits is embedded; others: "cifar10", "folder:PATH", "npz:FILE" (bench list datasets)
dataset = "digits"
n = 100                                      # the first n images of a fixed order

# bench list attacks shows all; "strong" stands for three strong ones
attacks = ["fgsm", "pgd"]
eps = ["0.02", "0.05", "0.1"]               # radii in pixel units, images in [0, 1]; "8/255" is one too
norm = "linf"

audit = "quick"                              # can the numbers be believed? or "full"
"""
FILES = {"my_model.py": MODEL, "bench.toml": REQUEST}


def execute(options: Namespace) -> int:
    """Writes both files into a folder; raises ``UsageError`` if one exists, which is then not changed."""
    folder = Path(options.folder)
    there = [name for name in FILES if (folder / name).exists()]
    if there:
        files = " and ".join(there)
        raise UsageError(f"{files} would be overwritten in {folder}; give another folder: bench init NAME")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in FILES.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as fault:
        raise UsageError(f"cannot write to {folder}: {fault.strerror}; give another folder") from fault
    place = "" if options.folder == "." else f"cd {folder} && "
    say(f"{folder / 'my_model.py'}, {folder / 'bench.toml'}: written\nnext: {place}bench run bench.toml")
    return 0
