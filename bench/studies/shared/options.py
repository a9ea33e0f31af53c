"""Turns options of the command line into requests, the same in every command."""

from __future__ import annotations

import math
import re
import shlex
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.errors import UsageError
from bench.inputs.libraries import LIBRARIES
from bench.inputs.preparation import Preparation
from bench.inputs.sources import DataSource
from bench.studies.shared.ask import Ask
from bench.studies.shared.where import devices_of
from zoo import cifar10c, entries, hub_sets

DATA = "$DATA"
# options that say which models, and what is done to images before one's own
_OF_MODELS = (
    "model",
    "names",
    "weights",
    "weights_from",
    "input_size",
    "scale",
    "bgr",
    "mean",
    "std",
    "classes",
    "output",
)


def data_source(options: Namespace) -> DataSource:
    """The source of the images."""
    return DataSource(
        spec=options.dataset,
        root=options.data_root,
        name=options.name,
        resize=options.resize,
        seed=options.corruption_seed,
    )


def data_ask(options: Namespace) -> Ask:
    """The common part of every measuring request: data, seed, device and source of weights."""
    return Ask(
        models=(),
        requests=(),
        data=data_source(options),
        weights_from=options.weights_from,
        seed=options.seed,
        device=devices_of(options.device)[0],
        batch=options.batch,
        command=shown_command(options.argv),
        download=options.download,
    )


def model_ask(options: Namespace) -> Ask:
    """Models and data of a command that takes no attacks."""
    asked = replace(data_ask(options), models=model_names(options), weights=options.weights, n=options.n)
    return replace(
        asked,
        names=tuple(options.names or ()),
        preparation=preparation(options),
        outputs=_outputs(options.classes),
    )


def preparation(options: Namespace) -> Preparation:
    """What is done to images before a user's own models; ``UsageError`` for what is no number."""
    return Preparation(
        scale=options.scale,
        bgr=options.bgr,
        mean=_numbers("mean", options.mean),
        std=_numbers("std", options.std),
        size=options.input_size,
        output=options.output or "",
    )


def _numbers(name: str, text: str | None) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(",")) if text is not None else ()
    except ValueError:
        found = (math.nan,)
    if not all(map(math.isfinite, found)):
        raise UsageError(f"--{name} is {text!r}; give a number, or one for each channel with commas between")
    return found


def _outputs(text: str | None) -> tuple[str, ...]:
    """The words of a list or file: numbers, or names, which may have spaces in them."""
    if text is None:
        return ()
    if not Path(text).is_file():
        if "," not in text:
            raise UsageError(
                f"--classes is {text!r}, which is neither a file nor a list with commas between; give the model's "
                "outputs by number or by name"
            )
        return tuple(word.strip() for word in text.split(","))
    content = Path(text).read_text(encoding="utf-8-sig", errors="replace")
    words = content.split()
    if not all(map(str.isdecimal, words)):
        words = [line.strip() for line in content.splitlines() if line.strip()]
    return tuple(words)


def model_names(options: Namespace) -> tuple[str, ...]:
    """The requested models, each once."""
    found: list[str] = []
    for value in options.model or ():
        for name in names(value):
            found += entries.ENTRIES if name == "all" else [name]
    if not found:
        raise UsageError("no model was requested; give --model all, --model NAMES or --model FILE.py:FACTORY")
    return tuple(dict.fromkeys(found))


def names(text: str) -> tuple[str, ...]:
    """The parts of a list with commas, without empty ones."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def shown_command(argv: Sequence[str]) -> str:
    """The command as pages show it: a path of data is ``$DATA``, of another whole path only the last part is shown."""
    shown = ["bench"]
    for before, word in zip(["", *argv], argv, strict=False):
        flag, equals, value = word.partition("=")
        if flag in ("--json", "--cluster") or before == "--cluster":
            continue  # options of printing or of the place of the work, which do not change the rows
        if equals and flag.startswith("--"):
            shown.append(f"{flag}={_shown_value(flag, value)}")
        else:
            shown.append(_shown_value(before, word))
    return _quoted(shown)


def _quoted(words: Sequence[str]) -> str:
    """Words for a shell, in which ``$DATA`` stays a variable."""
    return " ".join(word if DATA in word else shlex.quote(word) for word in words)


def _shown_value(flag: str, value: str) -> str:
    if flag == "--data-root":
        return DATA
    where = re.match(r"(corrupted:)?(folder|npz|imagenet|hf):", value)
    if where and (where[2] != "hf" or Path(hub_sets.split_spec(value[where.end() :])[0]).is_dir()):
        name = value.rpartition(":")[2]
        return f"{where[0]}{DATA}" + (f":{name}" if where[1] and name in cifar10c.NAMES else "")
    paths = ("--weights", "--weights-from", "--model", "--models", "--store", "--leaderboard", "--reports")
    if flag in ("--surrogate", "--attacks"):
        return ",".join(_shown_part(part) if ".py:" in part else part for part in value.split(","))
    return ",".join(map(_shown_part, value.split(","))) if flag in paths else value


def _shown_part(part: str) -> str:
    """A name in a library or a path from here, as it was given; the last part of a whole path."""
    library, colon, name = part.partition(":")
    if colon and library in LIBRARIES:
        return f"{library}:{_shown_part(name)}"
    return part.rpartition("/")[2] if part.startswith(("/", "~")) else part


def with_options(command: str, **options: str) -> str:
    """A shown command with other values of some options; an empty one leaves the option out."""
    words, skip = [], False
    for word in shlex.split(command):
        flag, equals, _ = word.partition("=")
        if skip or (flag.startswith("--") and flag[2:] in options):
            skip = not skip and not equals
        else:
            words.append(word)
    for name, value in options.items():
        words += [f"--{name}", value] if value else []
    return _quoted(words)


def shown_data(options: Namespace) -> str:
    """The options that name the data, with paths as pages show them."""
    return shown_command(_data_words(options)).removeprefix("bench ")


def data_for_terminal(options: Namespace) -> str:
    """Like ``shown_data``, with whole paths, for the user's own terminal."""
    return shlex.join(_data_words(options))


def models_for_terminal(options: Namespace) -> str:
    """The options that name the models and prepare their images, with whole paths."""
    words: list[str] = []
    for name in _OF_MODELS:
        value = getattr(options, name, None)
        flag = "--as" if name == "names" else f"--{name.replace('_', '-')}"
        if value is None or value is False or (name == "scale" and value == 1.0):  # the defaults
            continue
        for each in value if isinstance(value, list) else [value]:
            words += [flag] if each is True else [flag, str(each)]
    return shlex.join(words)


def command_for_terminal(command: str, options: Namespace) -> str:
    """A command as pages show it, but with whole paths, for the user's own terminal."""
    words = command.replace(shown_data(options), data_for_terminal(options))
    if options.weights_from is not None:
        out = Path(options.weights_from).name
        words = words.replace(f"--out {out}", f"--out {shlex.quote(options.weights_from)}")
    # paths of other data, which only the user knows
    words = re.sub(rf"(folder|npz|imagenet|hf):{re.escape(DATA)}", r"\1:PATH", words)
    return words.replace(DATA, shlex.quote(options.data_root or "PATH"))


def _data_words(options: Namespace) -> list[str]:
    words = ["--dataset", options.dataset]
    for name in ("name", "data_root", "resize"):
        value = getattr(options, name)
        words += [f"--{name.replace('_', '-')}", str(value)] if value is not None else []
    return words


def check_numbers(options: Namespace) -> None:
    """Raises ``UsageError`` for an invalid seed."""
    if getattr(options, "seeds", None) is not None and options.seeds < 1:
        raise UsageError(f"--seeds is {options.seeds}; it is a number of seeds, at least 1")
    if options.seed < 0:
        raise UsageError(f"--seed is {options.seed}; it must be 0 or more")
