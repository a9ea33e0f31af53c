"""The doctor on a sound installation and on broken ones."""

import base64
import hashlib
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
import torch

import bench.attacks
import zoo
from bench.commands import machine as doctor

ROOT = Path(__file__).parents[2]

# foolbox 3.3.4 imports scipy.ndimage.filters
pytestmark = pytest.mark.filterwarnings("ignore:Please import `gaussian_filter`:DeprecationWarning")


@pytest.fixture
def _untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, dataset: str) -> torch.nn.Module:
        torch.manual_seed(0)
        return zoo.build(name, channels=1, classes=10, size=16).requires_grad_(False).eval()

    monkeypatch.setattr(zoo, "load", load, raising=False)


def test_python_and_packages_of_this_environment_are_found() -> None:
    assert [f.status for f in doctor.python()] == ["ok"]
    found = {f.what: f for f in doctor.packages()}
    assert found["torch"].detail == metadata.version("torch")
    assert {f.status for f in found.values()} == {"ok"}


def test_packages_are_the_dependencies() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = text.split("\ndependencies = [")[1].split("]")[0]
    assert set(re.findall(r'"([\w-]+)', block)) == set(doctor.PACKAGES)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ("numpy", "no-such-package"))
    monkeypatch.setattr(doctor, "EXTRAS", {"no-such-extra": "something"})
    fine, missing = doctor.packages()
    assert (fine.status, missing.status, missing.remedy) == ("ok", "fail", "pip install no-such-package")
    (extra,) = doctor.extras()
    assert (extra.status, extra.remedy) == ("warn", "pip install no-such-extra")


def _install(site: Path, name: str, files: dict[str, str]) -> None:
    """Writes files and a RECORD, as pip does: what is there is overwritten."""
    record = []
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record.append(f"{path},sha256={digest},{len(text)}\n")
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text("".join(record))


_STALE = (
    "torchattacks",
    {"torchattacks/__init__.py": "", "robustbench/__init__.py": "", "robustbench/data.py": "old"},
)
_REAL = (
    "robustbench",
    {"robustbench/__init__.py": "", "robustbench/data.py": "new", "robustbench/eval.py": "x"},
)
_CLEAN = ("torchattacks", {"torchattacks/__init__.py": ""})


@pytest.mark.parametrize(
    ("installed", "status", "word"),
    [
        ((), "ok", "not installed"),
        ((_CLEAN,), "ok", "not installed"),
        ((_STALE,), "warn", "stale copy"),
        ((_REAL,), "ok", "as it was installed"),
        ((_REAL, _STALE), "warn", "overwritten"),
        ((_STALE, _REAL), "ok", "as it was installed"),
    ],
)
def test_whose_robustbench_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: tuple, status: str, word: str
) -> None:
    for name, files in installed:
        _install(tmp_path, name, files)

    def find(name: str) -> metadata.Distribution | None:
        return next(iter(metadata.distributions(name=name, path=[str(tmp_path)])), None)

    monkeypatch.setattr(doctor, "_distribution", find)
    (finding,) = doctor.robustbench()
    assert finding.status == status
    assert word in finding.detail
    assert bool(finding.remedy) == (status == "warn")


def test_devices_say_why_cuda_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_old() -> bool:
        warnings.warn("The NVIDIA driver on your system is too old", stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", too_old)
    cpu, cuda = doctor.devices()
    assert "cores" in cpu.detail
    assert cuda.status == "warn"
    assert "too old" in cuda.detail
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert doctor.devices()[1].status == "ok"


@dataclass
class _Record:
    path: Path
    sha256: str


def _shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"weights")
    record = _Record(path, hashlib.sha256(b"weights").hexdigest())
    monkeypatch.setattr(zoo, "shipped", lambda: {"digits/net": record}, raising=False)
    monkeypatch.setattr(zoo, "names", lambda: ("net",))
    return path


def test_weights_that_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _shipped(tmp_path, monkeypatch)
    (finding,) = doctor.weights()
    assert (finding.status, finding.detail) == ("ok", "1 shipped, all with the right sha256")


def test_weights_that_changed_or_are_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _shipped(tmp_path, monkeypatch)
    path.write_bytes(b"other")
    assert doctor.weights()[0].status == "fail"
    assert "digits/net (changed)" in doctor.weights()[0].detail
    path.unlink()
    assert "digits/net (No such file" in doctor.weights()[0].detail
    monkeypatch.setattr(zoo, "names", lambda: ("net", "other"))
    assert "digits/other (not shipped)" in doctor.weights()[0].detail


@pytest.mark.usefixtures("_untrained")
def test_self_test_passes_here() -> None:
    (finding,) = doctor.self_test()
    assert finding.status == "ok", finding
    assert "equal in torchattacks and foolbox" in finding.detail


@pytest.mark.usefixtures("_untrained")
@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        (lambda x: x, lambda x: x * 0.999, "differ in 32 of 32"),
        (lambda x: (x + 0.2).clamp(0, 1), lambda x: (x + 0.2).clamp(0, 1), "changed a pixel by 0.2"),
        (lambda x: x - 0.05, lambda x: x - 0.05, "left [0, 1]"),
        (lambda x: x * float("nan"), lambda x: x * float("nan"), "differ"),
    ],
)
def test_self_test_catches_a_broken_library(
    monkeypatch: pytest.MonkeyPatch, first: Callable, second: Callable, word: str
) -> None:
    broken = {"torchattacks": first, "foolbox": second}

    def adapter(name: str, library: str) -> Callable:
        return lambda model, x, y, *, norm, eps: broken[library](x)

    monkeypatch.setattr(bench.attacks, "adapter", adapter)
    (finding,) = doctor.self_test()
    assert finding.status == "fail"
    assert word in finding.detail
    assert finding.remedy


def test_a_check_that_raises_is_a_finding_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[doctor.MachineFinding]:
        raise ImportError("libfoo.so:\n cannot open")

    monkeypatch.setattr(doctor, "_CHECKS", (("thing", broken, "mend it"), ("python", doctor.python, "")))
    first, second = doctor.diagnose()
    assert first == doctor.MachineFinding(
        status="fail", what="thing", detail="ImportError: libfoo.so: cannot open", remedy="mend it"
    )
    assert second.status == "ok"


@pytest.mark.usefixtures("_untrained")
def test_diagnose_covers_every_check() -> None:
    found = doctor.diagnose()
    assert {"python", "torch", "pyarrow", "robustbench", "cpu", "cuda", "weights", "self-test"} <= {
        f.what for f in found
    }
    assert all("\n" not in f.detail + f.remedy for f in found)
    assert all(f.remedy for f in found if f.status != "ok")
