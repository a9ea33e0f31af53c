"""The place of a command's work: ``--device``, ``--workers`` and ``--cluster``."""

from __future__ import annotations

import importlib.util
import os
import re
from argparse import Namespace

import torch

from bench.engine.where import Where
from bench.errors import UsageError
from bench.studies.shared.screen import say

_CLUSTER = re.compile(r"auto|local:[1-9]\d*|(?!local:)[^:/\s]+:\d+|\[[0-9a-fA-F:]+\]:\d+")


def devices_of(text: str) -> tuple[str, ...]:
    """The devices that ``--device`` names: ``cpu``, ``cuda``, ``cuda:1``, several GPUs with commas, or ``cuda:all``.

    Raises:
        UsageError: one of them is not there, or is named twice.
    """
    if text == "cuda:all":
        check_device("cuda")
        return tuple(f"cuda:{number}" for number in range(torch.cuda.device_count()))
    named = tuple(text.split(","))
    for device in named:
        check_device(device)
    if len(named) > 1 and not all(device.startswith("cuda:") for device in named):
        raise UsageError(f"--device is {text!r}; give cpu, or GPUs by number: cuda:0,cuda:1 or cuda:all")
    if len(set(map(torch.device, named))) < len(named):
        raise UsageError(f"--device is {text!r}; name each GPU once")
    return named


def check_device(device: str) -> None:
    """Raises ``UsageError`` unless the device is there."""
    kind, colon, number = device.partition(":")
    if kind not in ("cpu", "cuda") or (colon and (kind == "cpu" or not number.isdecimal())):
        raise UsageError(f"unknown device {device!r}; known: cpu, cuda, cuda:0, cuda:0,cuda:1, cuda:all")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"--device {device}, but torch finds no GPU here; use --device cpu")
    if number and int(number) >= (count := torch.cuda.device_count()):
        raise UsageError(
            f"--device {device}, but torch finds {count} GPU here; give cuda:0 to cuda:{count - 1}"
        )


def where_of(options: Namespace) -> Where:
    """Where the cells of a command run.

    Raises:
        UsageError: a device is not there, or a cluster is named that cannot be.
    """
    devices, cluster = devices_of(options.device), options.cluster
    if cluster is not None:
        _check_cluster(cluster, options.device)
        return Where(devices=devices, cluster=cluster, most=options.workers)
    if devices == ("cpu",):
        return Where(devices=devices * (options.workers or os.cpu_count() or 1))
    if (options.workers or 1) > 1:
        say(
            f"note: --workers is {options.workers}, but on GPUs one process a GPU runs cells one after another; name "
            "more with --device cuda:0,cuda:1"
        )
    return Where(devices=devices)


def _check_cluster(cluster: str, device: str) -> None:
    if not _CLUSTER.fullmatch(cluster):
        raise UsageError(f"--cluster is {cluster!r}; give auto, the HOST:PORT of a Ray cluster, or local:N")
    if device not in ("cpu", "cuda"):
        raise UsageError(f"--device is {device!r}, but on a cluster every GPU is used; give --device cuda")
    if importlib.util.find_spec("ray") is None:
        raise UsageError("--cluster needs Ray, which is not installed; run: pip install 'symbench[cluster]'")
