"""What the README says can be done is done."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

import zoo
from bench.commands.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)


def block(language: str, containing: str) -> str:
    (found,) = [text for kind, text in BLOCKS if kind == language and containing in text]
    return found


def test_ones_own_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from safetensors.torch import save_file

    monkeypatch.chdir(tmp_path)
    Path("my_model.py").write_text(block("python", "# my_model.py"))
    namespace: dict = {}
    exec(block("python", "# my_model.py"), namespace)  # the file a reader would write
    torch.manual_seed(0)
    save_file(namespace["small"]().state_dict(), "my_weights.safetensors")
    command = block("sh", "my_weights.safetensors").split()
    assert command[0] == "bench"
    assert main([*command[1:], "--n", "20", "--workers", "1"]) == 0
    shown = capsys.readouterr().out
    assert "my_model:small" in shown
    assert "baseline_cnn" in shown
    written = [Path("reports/digits.html"), *Path().rglob("*.csv")]
    assert str(tmp_path) not in "".join(file.read_text() for file in written)


def test_from_python(capsys: pytest.CaptureFixture[str]) -> None:
    namespace: dict = {}
    exec(block("python", "bench.evaluate"), namespace)
    robust = eval(capsys.readouterr().out.replace(" ", ",").replace("[,", "["))  # numpy prints [a b]
    assert len(robust) == 2
    assert 1 >= robust[0] >= robust[1] >= 0
    assert len(namespace["rows"]) == 6  # two attacks and their worst case at two ε


def test_every_command_and_model_it_names_exists() -> None:
    commands = set(
        re.findall(r"^(?:\.venv/bin/)?bench (\w+)", "\n".join(t for k, t in BLOCKS if k == "sh"), re.M)
    )
    assert commands <= set(COMMANDS)
    assert set(re.findall(r"^\| `bench (\w+)`", README, re.M)) == set(COMMANDS)
    table = set(re.findall(r"^\| `(\w+(?:cnn|gcnn)\w*)`", README, re.M))
    assert table == {entry.architecture for entry in zoo.ENTRIES.values()}


def test_its_picture_and_pages_are_there() -> None:
    for target in re.findall(r"\]\(((?!http)[^)]+)\)", README):
        assert (ROOT / target).is_file(), target


@pytest.mark.slow
def test_the_wheel_holds_weights_and_templates(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(
        ROOT, source, ignore=shutil.ignore_patterns(".git", ".venv", "build", ".symbench", "*.egg-info")
    )
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(source)],
        check=True,
    )
    (wheel,) = tmp_path.glob("symbench-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in zoo.names():
        assert f"zoo/weights/digits/{name}.safetensors" in names
    assert {"zoo/weights/weights.json", "zoo/cifar100.json"} <= names
    for template in (ROOT / "bench" / "pages" / "templates").iterdir():
        assert f"bench/pages/templates/{template.name}" in names
    for file in [*ROOT.glob("bench/**/*.py"), *ROOT.glob("zoo/**/*.py")]:
        assert str(file.relative_to(ROOT)) in names
