"""Bad input: one line that says what is wrong, exit code 2, and nothing lost."""

from __future__ import annotations

import pickle
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from bench.attacks.measure import measure
from bench.commands.cli import main
from bench.leaderboard import columns
from bench.leaderboard import file as leaderboard
from tests.own import call, write_images, write_models
from zoo import registry

Capture = pytest.CaptureFixture[str]
Words = tuple[Any, ...]

RUN = ("run", "--workers", 1, "--n", 20, "--eps", 0.1, "--attacks", "fgsm")
ZOO = (*RUN, "--model", "baseline_cnn_4")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with a leaderboard in it; measuring itself is forbidden."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("SYMBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("bench.attacks.measure.measure", forbidden)
    leaderboard.merge(tmp_path / "leaderboard.csv", [])
    return tmp_path


def forbidden(*_: Any) -> None:
    raise AssertionError("bad input got as far as measuring")


def refused(capsys: Capture, words: Words, *fragments: str) -> None:
    """The command exits with 2 and one line that holds the fragments; the leaderboard is as it was."""
    table = Path("leaderboard.csv")
    before = table.read_bytes()
    answer = call(capsys, *words)
    said = [line for line in answer.err.splitlines() if line != "a model file may print"]
    assert (answer.code, len(said), answer.out) == (2, 1, ""), answer
    assert said[0].startswith("bench: error: ")
    assert not [fragment for fragment in fragments if fragment not in said[0]], said[0]
    assert table.read_bytes() == before


ASKED: dict[str, tuple[Words, tuple[str, ...]]] = {
    "unknown model": ((*RUN, "--model", "baseline_cn"), ("'baseline_cn'", "nearest: ", "baseline_cnn")),
    "unknown model's roads": (
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


FACTORIES = {
    "nan": "NaN or infinite logits",
    "raises": "RuntimeError on its first batch of shape (20, 1, 16, 16): two",
    "few_classes": "logits of shape (20, 3)",
    "many_classes": "it must give (20, 10)",
    "lazy": "uninitialised lazy parameters",
    "a_tuple": "a tuple without a tensor of logits, which must be (20, classes)",
    "two_tensors": "a tuple with several tensors that may be the logits; say which with --output 0 or 1",
    "no_module": "a str, not a torch.nn.Module",
    "forgets_return": "gives None, not a torch.nn.Module; does it lack return?",
    "failing": "raised ValueError: cannot be built",
    "needs_an_argument": "takes arguments (missing a required argument: 'size'); name a function that calls it",
    "a_class": "the class Net, not a model; call it",
    "with_optimiser": "a tuple, not a torch.nn.Module; return the one in it that is to be measured",
    "unseeded": "other weights each time",
    "nets": "nearest: net",
}


@pytest.mark.parametrize("factory", FACTORIES)
def test_an_own_model_that_cannot_be_measured(factory: str, capsys: Capture, place: Path) -> None:
    refused(capsys, (*RUN, "--model", f"{write_models(place)}:{factory}"), factory, FACTORIES[factory])


@pytest.mark.parametrize(
    ("code", "fragment"),
    [
        ("def net(:\n", "SyntaxError"),
        ("import no_such_module\n", "ModuleNotFoundError"),
        ("raise SystemExit(0)\n", "SystemExit"),
        ("net = 3\n", "no function 'net'"),
        ("\x00", "raised"),
    ],
)
def test_a_model_file_that_is_no_module(code: str, fragment: str, capsys: Capture, place: Path) -> None:
    (place / "broken.py").write_text(code)
    refused(capsys, (*RUN, "--model", "broken.py:net"), "broken.py", fragment)


def test_a_model_file_that_is_not_there_or_names_no_factory(capsys: Capture, place: Path) -> None:
    refused(capsys, (*RUN, "--model", "nowhere.py:net"), "no model file 'nowhere.py'")
    write_models(place)
    refused(capsys, (*RUN, "--model", "own.py"), "own.py:FUNCTION")


class Trap:
    """A pickle that would run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


def test_the_trap_would_spring(place: Path) -> None:
    pickle.loads(pickle.dumps(Trap()))
    assert (place / "executed").exists()


def weights_missing(_: Path) -> None: ...


def weights_of_noise(path: Path) -> None:
    path.write_bytes(b"\x08noise" * 10)


def weights_of_another(path: Path) -> None:
    state = {"other": torch.zeros(3)}
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)


def weights_with_code(path: Path) -> None:
    path.write_bytes(pickle.dumps(Trap()))


def weights_in_a_zip_with_code(path: Path) -> None:
    torch.save({"layer.weight": Trap()}, path)


def weights_in_a_list(path: Path) -> None:
    torch.save([torch.zeros(2)], path)


@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
@pytest.mark.parametrize(
    "write",
    [
        weights_missing,
        weights_of_noise,
        weights_of_another,
        weights_with_code,
        weights_in_a_zip_with_code,
        weights_in_a_list,
    ],
)
def test_weights_that_cannot_be_used(
    write: Callable[[Path], None], ending: str, capsys: Capture, place: Path
) -> None:
    file = place / f"weights{ending}"
    write(file)
    refused(capsys, (*RUN, "--model", f"{write_models(place)}:net", "--weights", file), f"weights{ending}")
    assert not (place / "executed").exists()


def test_one_weights_file_for_two_models(capsys: Capture, place: Path) -> None:
    file = write_models(place)
    refused(
        capsys,
        (*RUN, "--model", f"{file}:net,{file}:doubled", "--weights", "w.pt"),
        "one own model at a time",
    )


@pytest.fixture
def copied(place: Path) -> Path:
    """The shipped weights of one model, copied."""
    record = registry.find("baseline_cnn_4", "digits")
    folder = place / "copy"
    (folder / record.file).parent.mkdir(parents=True)
    shutil.copy(record.path, folder / record.file)
    registry.add(folder, record)
    return folder / record.file


def test_one_flipped_bit_in_the_zoos_weights(capsys: Capture, copied: Path) -> None:
    content = bytearray(copied.read_bytes())
    content[len(content) // 2] ^= 1
    copied.write_bytes(content)
    refused(capsys, (*ZOO, "--weights-from", "copy/"), "baseline_cnn_4.safetensors is damaged")


def test_zoo_weights_that_are_gone_or_whose_table_is_damaged(
    capsys: Capture, copied: Path, place: Path
) -> None:
    copied.unlink()
    refused(capsys, (*ZOO, "--weights-from", "copy/"), "baseline_cnn_4.safetensors cannot be read")
    (place / "copy" / "weights.json").write_text('{"digits/')
    refused(capsys, (*ZOO, "--weights-from", "copy/"), "weights.json is damaged")


def test_zoo_weights_for_images_of_another_shape(capsys: Capture, place: Path) -> None:
    from PIL import Image

    images = write_images(place / "images")
    for file in images.rglob("*.png"):
        Image.open(file).convert("RGB").save(file)
    refused(
        capsys,
        (*ZOO, "--dataset", f"folder:{images}", "--weights-from", "digits", "--n", 8),
        "baseline_cnn_4",
    )


def test_an_image_that_cannot_be_read(capsys: Capture, place: Path) -> None:
    images = write_images(place / "images")
    (images / "test" / "dark" / "3.png").write_bytes(b"no image")
    refused(capsys, (*ZOO, "--dataset", f"folder:{images}"), "dark/3.png cannot be read")


FOREIGN = {
    "foreign": "name,score\nmine,1\n",
    "binary": "\x89PNG\r\n\x1a\n\x00",
    "cut off": ",".join(columns.COLUMNS) + "\nbaseline_cnn",
    "another header": ",".join(columns.COLUMNS[1:]) + "\n",
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_leaderboard_that_is_not_ours_or_damaged(case: str, capsys: Capture, place: Path) -> None:
    (place / "leaderboard.csv").write_text(FOREIGN[case], encoding="latin-1", newline="")
    refused(capsys, ZOO, "leaderboard.csv", "move it away or give another --leaderboard FILE")


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
