"""Bad words on the command line: one line that says what is wrong, exit code 2, and nothing lost."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.attacks.measure import measure
from bench.commands.cli import main
from tests.commands.refusals import RUN, ZOO, Capture, Words, refused
from tests.commands.refusals import place as place  # every test here runs there

ASKED: dict[str, tuple[Words, tuple[str, ...]]] = {
    "unknown model": ((*RUN, "--model", "baseline_cn"), ("'baseline_cn'", "nearest: ", "baseline_cnn")),
    "what another model may be": (
        (*RUN, "--model", "resnet18"),
        (
            "nearest: torchvision:resnet18; or give ",
            "or give FILE.py:FACTORY, torchvision:NAME, timm:NAME, hf:NAME, robustbench:NAME or an installed",
        ),
    ),
    "unknown model like some": ((*RUN, "--model", "vgg-16"), ("nearest: torchvision:vgg16, torchvision:vgg1",)),
    "unknown model like no other": ((*RUN, "--model", "zzz"), ("known: baseline_cnn, ", "or give FILE.py:FACTORY")),
    "unknown model of a library": ((*RUN, "--model", "torchvision:resnet17"), ("'resnet17'", "nearest: resnet1")),
    "unknown weights of a library": ((*RUN, "--model", "torchvision:resnet18@V2"), ("'V2'", "IMAGENET1K_V1, none")),
    "weights that were not fetched": (
        (*RUN, "--model", "torchvision:resnet18"),
        ("torch/hub/checkpoints", "add --download", "torchvision:resnet18@none"),
    ),
    "output of the zoo": ((*ZOO, "--output", "logits"), ("--output", "for one's own models")),
    "input of no size": ((*ZOO, "--input-size", 0), ("--input-size", "'0' is not a whole number of 1 or more")),
    "list of nothing": (("list", "models", "resnet*"), ("no models are named like 'resnet*'",)),
    "list of a library without one": (("list", "models", "hf:*"), ("name one as hf:NAME",)),
    "unknown zoo model": ((*RUN, "--zoo", "equivariant"), ("'equivariant'", "equivariant_gcnn")),
    "a model as rows call it": ((*RUN, "--model", "rows:net"), ("did you mean rows.py:net?",)),
    "mean of colours for the default data": (
        (*RUN, "--model", "rows.py:net", "--mean", "0.4,0.4,0.4"),
        ("--mean has 3 values, but the images of digits (the default data set) have 1 channel",),
    ),
    "an option with a slip": ((*ZOO, "--esp", "0.1"), ("--esp 0.1; did you mean --eps?; see bench run --help",)),
    "an option of one letter less": ((*ZOO, "--weight", "w.pt"), ("did you mean --weights?", "bench run --help")),
    "an option of another command": (
        ("audit", "--model", "baseline_cnn_4", "--audi", "full"),
        ("did you mean --audit?", "bench audit --help"),
    ),
    "no model": (RUN, ("--model all",)),
    "only commas": ((*RUN, "--model", ","), ("--model all",)),
    **(
        {"attack without its package": ((*ZOO, "--attacks", "brendel_bethge"), ("pip install 'symbench[numba]'",))}
        if find_spec("numba") is None
        else {}
    ),
    "unknown attack": ((*ZOO, "--attacks", "pdg"), ("'pdg'", "pgd")),
    "no attack": ((*ZOO, "--attacks", ","), ("--attacks",)),
    "unknown library": ((*ZOO, "--library", "foolbx"), ("'foolbx'", "foolbox")),
    "attack not in norm": ((*ZOO, "--norm", "l2", "--attacks", "torchattacks:fgsm"), ("foolbox:fgsm",)),
    "unknown norm": ((*ZOO, "--norm", "l3"), ("'l3'", "linf", "l2", "l1", "l0")),
    "half a pixel": ((*ZOO, "--norm", "l0", "--attacks", "fmn", "--eps", "0.5"), ("0.5", "counts pixels")),
    "audit in l0": ((*ZOO, "--norm", "l0", "--audit", "quick"), ("quick", "norms linf, l2, l1", "--norm l0")),
    "unknown data set": ((*ZOO, "--dataset", "digit"), ("'digit'", "did you mean digits?")),
    "missing data set": ((*ZOO, "--dataset", "cifar10"), ("cifar10 is not in", "add --download")),
    "missing data set to train on": (("train", "baseline_cnn_4", "--dataset", "cifar10"), ("add --download",)),
    "torchvision's data set by its bare name": (
        (*ZOO, "--dataset", "mnist"),
        ("did you mean torchvision:MNIST?", "known are digits, cifar10, cifar100, torchvision:NAME, imagenet:DIR, "),
    ),
    "torchvision's data set that is not there": (
        (*ZOO, "--dataset", "torchvision:MNIST"),
        ("cannot be read from", "add --download", "--data-root PATH"),
    ),
    "torchvision's data set in small letters": ((*ZOO, "--dataset", "torchvision:svhn"), ("did you mean SVHN?",)),
    "torchvision's set without labels": ((*ZOO, "--dataset", "torchvision:Kinetics400"), ("of torchvision: ",)),
    "imagenet nowhere": ((*ZOO, "--dataset", "imagenet:nowhere"), ("nowhere is no directory", "imagenet:DIR")),
    "imagenet of other folders": ((*ZOO, "--dataset", "imagenet:."), ("is no WordNet number", "use folder:PATH")),
    "imagenet without a directory": ((*ZOO, "--dataset", "imagenet"), ("did you mean imagenet:DIR?",)),
    "data set of the hub without its package": (
        (*ZOO, "--dataset", "hf:org/no-such-set"),
        ("hf:", "pip install 'symbench[hf]'" if find_spec("datasets") is None else "add --download"),
    ),
    "pictures resized to nothing": ((*ZOO, "--dataset", "imagenet:.", "--resize", 4), ("--resize 4", "8 or more")),
    "missing folder": ((*ZOO, "--dataset", "folder:nowhere"), ("nowhere", "missing", "test/CLASS/ or val/CLASS/")),
    "resized digits": ((*ZOO, "--resize", "32"), ("--resize",)),
    "renamed digits": ((*ZOO, "--name", "mine"), ("--name is for folder:, npz:, imagenet: and hf: images", "digits")),
    "renamed corrupted digits": ((*ZOO, "--dataset", "corrupted:digits", "--name", "mine"), ("--name",)),
    "folder named digits": ((*ZOO, "--dataset", "folder:.", "--name", "digits"), ("built-in", "--name")),
    "path as a name": ((*ZOO, "--dataset", "folder:.", "--name", "../digits"), ("'../digits'", "--name")),
    "weights of no one": ((*ZOO, "--weights-from", "cifar100"), ("bench train baseline_cnn_4 --dataset cifar100",)),
    "weights from an empty directory": ((*ZOO, "--weights-from", "./"), ("holds no weights.json",)),
    "weights from a lost directory": ((*ZOO, "--weights-from", "lost/"), ("lost is no directory",)),
    "weights from nowhere": (
        (*ZOO, "--weights-from", "lost"),
        ("no directory lost", "no weights for a data set of that name", "cifar10, "),
    ),
    "weights that were not shipped": (
        (*ZOO, "--model", "baseline_cnn_4@7", "--weights-from", "cifar10"),
        ("bench train baseline_cnn_4@7 --dataset cifar10",),
    ),
    "weights for a zoo model": ((*ZOO, "--weights", "w.safetensors"), ("--weights-from",)),
    "negative eps": ((*ZOO, "--eps=-0.1"), ("-0.1", "0 or more")),
    "one negative eps": ((*ZOO, "--eps", "0.1,-1/255"), ("-1/255",)),
    "eps no number": ((*ZOO, "--eps", "big"), ("'big'", "not a number")),
    "eps nan": ((*ZOO, "--eps", "nan"), ("nan",)),
    "eps infinite": ((*ZOO, "--eps", "inf"), ("inf",)),
    "eps by zero": ((*ZOO, "--eps", "8/0"), ("'8/0'",)),
    "no eps": ((*ZOO, "--eps", ","), ("no ε",)),
    "eps of 8 bits": ((*ZOO, "--eps", "8"), ("--eps has 8,", "did you mean 8/255?")),
    "one eps of 8 bits": ((*ZOO, "--eps", "0.5,2"), ("--eps has 2,", "did you mean 2/255?")),
    "eps of a ball for turns": ((*ZOO, "--attacks", "spatial_grid"), ("--eps is 0.1", "no ε")),
    "steps of one step": ((*ZOO, "--steps", 10), ("--steps was given", "fgsm", "leave it out")),
    "start of one step": ((*ZOO, "--no-random-start"), ("--no-random-start was given", "fgsm")),
    "restarts of an ensemble": ((*ZOO, "--attacks", "autoattack", "--restarts", 5), ("--restarts", "autoattack")),
    "no steps": ((*ZOO, "--attacks", "pgd", "--steps", 0), ("--steps is 0",)),
    "negative steps": ((*ZOO, "--attacks", "pgd", "--steps=-3"), ("--steps is -3",)),
    "steps no number": ((*ZOO, "--steps", "many"), ("--steps", "'many'")),
    "no restarts": ((*ZOO, "--attacks", "pgd", "--restarts", 0), ("--restarts is 0",)),
    "alpha zero": ((*ZOO, "--attacks", "pgd", "--alpha", 0), ("--alpha is 0",)),
    "alpha nan": ((*ZOO, "--attacks", "pgd", "--alpha", "nan"), ("--alpha is nan",)),
    "n too large": ((*ZOO, "--n", 361), ("--n is 361", "360")),
    "n zero": ((*ZOO, "--n", 0), ("--n", "'0' is not a whole number of 1 or more")),
    "n negative": ((*ZOO, "--n=-5"), ("--n", "'-5' is not a whole number of 1 or more")),
    "n no number": ((*ZOO, "--n", "ten"), ("--n", "'ten'")),
    "negative seed": ((*ZOO, "--seed=-1"), ("--seed is -1",)),
    "no workers": ((*ZOO, "--workers", 0), ("--workers", "'0' is not a whole number of 1 or more")),
    "unknown device": ((*ZOO, "--device", "tpu"), ("'tpu'", "cpu, cuda")),
    "leaderboard nowhere": ((*ZOO, "--leaderboard", "nowhere/l.csv"), ("nowhere/l.csv", "--leaderboard FILE")),
    "leaderboard a directory": ((*ZOO, "--leaderboard", "."), ("--leaderboard FILE",)),
    "reports a file": ((*ZOO, "--reports", "leaderboard.csv"), ("leaderboard.csv", "--reports DIR")),
    "reports inside a file": ((*ZOO, "--reports", "leaderboard.csv/r"), ("--reports DIR",)),
    "store a file": ((*ZOO, "--store", "leaderboard.csv"), ("leaderboard.csv", "--store DIR")),
    "unknown option": ((*ZOO, "--epsilon", 1), ("--epsilon", "bench")),
    "unknown command": (("measure",), ("'measure'", "doctor")),
    "report without a store": (("report",), ("there is no store",)),
    "export without a store": (("export", "images.csv"), ("there is no store",)),
    "train an unknown model": (("train", "baseline"), ("'baseline'", "baseline_cnn")),
    "train with an unknown recipe": (("train", "baseline_cnn_4", "--recipe", "pdg_at"), ("pgd_at",)),
    "train two seeds at once": (("train", "baseline_cnn_4@2", "--seed", 3), ("seed 2", "--seed 3")),
    "train for no epoch": (("train", "baseline_cnn_4", "--epochs", 0), ("--epochs is 0",)),
    "train with no thread": (("train", "baseline_cnn_4", "--threads", 0), ("--threads is 0",)),
    "train with no width": (("train", "baseline_cnn_4", "--width", 0), ("--width is 0",)),
    "train into a file": (("train", "baseline_cnn_4", "--epochs", 1, "--out", "leaderboard.csv"), ("leaderboard.csv",)),
}  # fmt: skip


@pytest.mark.parametrize("case", ASKED)
def test_what_cannot_be_asked_is_refused(case: str, capsys: Capture) -> None:
    words, fragments = ASKED[case]
    Path("rows.py").write_text("def net(): return None\n")
    refused(capsys, words, *fragments)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there(capsys: Capture) -> None:
    refused(capsys, (*ZOO, "--device", "cuda"), "--device cpu")


def test_a_refusal_hides_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("bench.studies.attacked.study.asked", broken)
    with pytest.raises(ZeroDivisionError):
        main([str(word) for word in ZOO])


def test_a_full_disk_while_measuring(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("bench.attacks.measure.measure", measure)
    monkeypatch.setattr("bench.engine.database.put", full)
    refused(capsys, ZOO, "database or disk is full", "what it holds is kept")


def test_a_number_that_cannot_be_is_refused_before_torch_is_loaded() -> None:
    lines = (
        "import sys",
        "from bench.commands.cli import main",
        "try: main(['run', '--zoo', 'all', '--n', '0'])",
        "except SystemExit as end: print(end.code, 'torch' in sys.modules, 'numpy' in sys.modules)",
    )
    code = "\n".join(lines)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False", "False"]
