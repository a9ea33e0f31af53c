"""Files that cannot be used: one line that says what is wrong, exit code 2, and nothing lost."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from bench.leaderboard import columns
from tests.commands.refusals import RUN, ZOO, Capture, refused
from tests.commands.refusals import place as place  # every test here runs there
from tests.own import write_images, write_models
from zoo import registry

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


def test_a_weights_file_that_is_not_there_is_told_from_those_that_are(capsys: Capture, place: Path) -> None:
    words = (*RUN, "--model", f"{write_models(place)}:net", "--weights")
    refused(capsys, (*words, "best.pt"), "no weights file", "best.pt'; its folder has none")
    (place / "best.th").touch()
    refused(capsys, (*words, "best.pt"), "best.pt'; nearest: best.th")
    refused(capsys, (*words, "no/best.pt"), "its folder does not exist")
    refused(capsys, (*words, "sub/../best.pt"), f"{place.name}/best.pt'")


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
