"""Checks this installation: versions, devices, weights, and a small attack by two libraries."""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from zoo import WeightsRecord

PACKAGES = (
    "torch", "torchvision", "torchattacks", "foolbox", "adversarial-robustness-toolbox", "numpy", "jaxtyping",
    "scipy", "scikit-learn", "pandas", "seaborn", "safetensors", "jinja2", "filelock", "rich",
)  # fmt: skip
EXTRAS = {"pyarrow": "exporting parquet"}  # package → its purpose
_AGAIN = "install symbench again"
_REINSTALL = "pip install --force-reinstall --no-deps "


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFinding:
    """The result of one check.

    Attributes:
        status: ``ok``, ``warn`` (measuring works, something else may not) or ``fail`` (do not measure).
        what: subject of the check, in a word or two.
        detail: the finding, in one line.
        remedy: the action to take; empty if none is needed.
    """

    status: Literal["ok", "warn", "fail"]
    what: str
    detail: str
    remedy: str = ""


def diagnose() -> list[MachineFinding]:
    """All findings, in the order of the checks; a check that raises becomes a failed finding."""
    findings: list[MachineFinding] = []
    for what, check, remedy in _CHECKS:
        try:
            findings += check()
        except Exception as error:  # the command reports every fault
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            findings.append(MachineFinding(status="fail", what=what, detail=reason, remedy=remedy))
    return findings


def python() -> list[MachineFinding]:
    """The interpreter."""
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return [MachineFinding(status="ok", what="python", detail=detail)]


def packages() -> list[MachineFinding]:
    """Versions of the packages that results depend on, without importing them."""
    findings = []
    for name in PACKAGES:
        found = _distribution(name)
        if found is None:
            remedy = f"pip install {name}"
            findings.append(MachineFinding(status="fail", what=name, detail="not installed", remedy=remedy))
        else:
            findings.append(MachineFinding(status="ok", what=name, detail=found.version))
    return findings


def extras() -> list[MachineFinding]:
    """Optional packages."""
    findings = []
    for name, purpose in EXTRAS.items():
        found = _distribution(name)
        if found is None:
            detail = f"not installed; needed for {purpose}"
            findings.append(
                MachineFinding(status="warn", what=name, detail=detail, remedy=f"pip install {name}")
            )
        else:
            findings.append(MachineFinding(status="ok", what=name, detail=found.version))
    return findings


def robustbench() -> list[MachineFinding]:
    """The package whose code ``import robustbench`` runs: torchattacks 3.5.1 installs an old copy under that name."""
    what, real = "robustbench", _distribution("robustbench")
    vendored = _files(_distribution("torchattacks"))
    if real is None:
        if not vendored:
            return [MachineFinding(status="ok", what=what, detail="not installed")]
        detail = (
            "`import robustbench` gives the stale copy that torchattacks installs; symbench does not use it"
        )
        remedy = "none for symbench; for RobustBench itself, install it after torchattacks"
        return [MachineFinding(status="warn", what=what, detail=detail, remedy=remedy)]
    spoiled = [name for name, digest in _files(real).items() if not _intact(real, name, digest)]
    if spoiled and set(spoiled) & set(vendored):
        detail = (
            f"RobustBench {real.version} is overwritten by torchattacks' old copy in {len(spoiled)} files"
        )
        remedy = _REINSTALL + "robustbench"
        return [MachineFinding(status="warn", what=what, detail=detail, remedy=remedy)]
    return [MachineFinding(status="ok", what=what, detail=f"RobustBench {real.version}, as it was installed")]


def _distribution(name: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None


def _files(distribution: metadata.Distribution | None) -> dict[str, str]:
    """Python files under ``robustbench/`` that a distribution recorded, with their sha256 in RECORD's spelling."""
    listed = (distribution.files or []) if distribution else []
    return {
        file.as_posix(): file.hash.value
        for file in listed
        if file.parts[0] == "robustbench"
        and file.suffix == ".py"
        and file.hash
        and file.hash.mode == "sha256"
    }


def _intact(distribution: metadata.Distribution, name: str, digest: str) -> bool:
    path = str(distribution.locate_file(name))
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        found = hashlib.sha256(file.read()).digest()
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode() == digest


def devices() -> list[MachineFinding]:
    """The devices that can compute."""
    import torch

    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = torch.get_num_threads()
    findings = [
        MachineFinding(
            status="ok", what="cpu", detail=f"{available} cores usable, torch uses {threads} threads"
        )
    ]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        usable = torch.cuda.is_available()
    if usable:
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        findings.append(MachineFinding(status="ok", what="cuda", detail=names))
    elif caught:
        reason = " ".join(str(caught[0].message).split())
        remedy = "install a torch build that fits the driver, or measure with --device cpu"
        findings.append(MachineFinding(status="warn", what="cuda", detail=reason, remedy=remedy))
    else:
        findings.append(MachineFinding(status="ok", what="cuda", detail="none; --device cpu is used"))
    return findings


def weights() -> list[MachineFinding]:
    """Whether the shipped weights of every zoo entry on digits exist and are unchanged."""
    import zoo

    known = zoo.shipped()
    bad = [f"{key} ({reason})" for key, record in known.items() if (reason := _fault(record))]
    bad += [f"digits/{name} (not shipped)" for name in zoo.names() if f"digits/{name}" not in known]
    if bad:
        detail = f"{len(bad)} unusable: {', '.join(bad[:4])}{', …' if len(bad) > 4 else ''}"
        remedy = _AGAIN + ", or train them: bench train NAME --dataset digits"
        return [MachineFinding(status="fail", what="weights", detail=detail, remedy=remedy)]
    return [
        MachineFinding(status="ok", what="weights", detail=f"{len(known)} shipped, all with the right sha256")
    ]


def _fault(record: WeightsRecord) -> str:
    """Why a weights record cannot be used; empty if it can."""
    try:
        found = hashlib.sha256(record.path.read_bytes()).hexdigest()
    except OSError as error:
        return error.strerror or "cannot be read"
    return "" if found == record.sha256 else "changed"


def self_test() -> list[MachineFinding]:
    """FGSM of ``baseline_cnn`` on 32 digits at ε = 0.1 by two libraries: the images must be equal bit for bit."""
    import torch

    import zoo
    from bench.attacks import adapter
    from zoo.deployment import deploy

    eps, what, remedy = 0.1, "self-test", "reinstall torch, torchattacks and foolbox"
    model = deploy(zoo.load("baseline_cnn", "digits"))
    data = zoo.data.load("digits", "test")
    x, y = data.images(0, 32), data.targets(0, 32)
    first, second = (
        adapter("fgsm", library)(model, x.clone(), y.clone(), norm="linf", eps=eps)
        for library in ("torchattacks", "foolbox")
    )
    if not torch.equal(first, second):
        unequal = int((first != second).flatten(1).any(1).sum())
        detail = f"FGSM of torchattacks and foolbox differ in {unequal} of {len(x)} images"
        return [MachineFinding(status="fail", what=what, detail=detail, remedy=remedy)]
    size = float((first - x).abs().max())
    inside = bool(((first >= 0) & (first <= 1)).all())
    if not (size <= eps + 1e-6 and inside):
        detail = f"FGSM at ε = {eps} changed a pixel by {size:.7g}" + ("" if inside else " and left [0, 1]")
        return [MachineFinding(status="fail", what=what, detail=detail, remedy=remedy)]
    with torch.no_grad():
        clean, attacked = (int((model(images).argmax(1) == y).sum()) for images in (x, first))
    detail = (
        f"FGSM equal in torchattacks and foolbox; of {len(x)} digits {clean} right clean, {attacked} attacked"
    )
    return [MachineFinding(status="ok", what=what, detail=detail)]


_CHECKS: tuple[tuple[str, Callable[[], list[MachineFinding]], str], ...] = (
    ("python", python, "use Python 3.11 or newer"),
    ("packages", packages, _AGAIN + " into a fresh virtual environment"),
    ("extras", extras, "pip install " + " ".join(EXTRAS)),
    ("robustbench", robustbench, _REINSTALL + "torchattacks"),
    ("devices", devices, _REINSTALL + "torch"),
    ("weights", weights, _AGAIN),
    ("self-test", self_test, "see the findings above; " + _AGAIN + " into a fresh virtual environment"),
)
