"""The examples of README and documentation work: a user's own model, from the command line and from Python."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

import zoo
from bench.commands.cli import main
from tests.house.documents import ROOT, block, commands

OWN = ROOT / "docs/own_models.md"
ATTACK = ROOT / "docs/own_attack.md"


def test_ones_own_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from safetensors.torch import save_file

    monkeypatch.chdir(tmp_path)
    source = block(OWN, "python", "# my_model.py")
    Path("my_model.py").write_text(source)
    namespace: dict = {}
    exec(source, namespace)  # the file a reader would write
    torch.manual_seed(0)
    save_file(namespace["small"]().state_dict(), "my_weights.safetensors")
    command = commands(OWN)[0]
    assert "my_weights.safetensors" in command
    assert main([*command, "--n", "20", "--workers", "1"]) == 0
    shown = capsys.readouterr().out
    assert "my_model:small" in shown
    assert "baseline_cnn" in shown
    written = [Path("reports/digits.html"), *Path().rglob("*.csv")]
    assert str(tmp_path) not in "".join(file.read_text() for file in written)


def test_ones_own_attack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model that rounds its input stands against PGD, and falls to the attack of the page."""
    from safetensors.torch import save_file

    monkeypatch.chdir(tmp_path)
    for name, text in (("rounded.py", "class Rounded"), ("bpda.py", "def attack")):
        Path(name).write_text(block(ATTACK, "python", text))
    namespace: dict = {}
    exec(block(ATTACK, "python", "class Rounded"), namespace)
    torch.manual_seed(0)
    save_file(namespace["defended"]().state_dict(), "rounded.safetensors")
    (command,) = commands(ATTACK)
    assert main([*command, "--n", "10", "--workers", "1"]) == 0
    assert "bpda:attack" in Path("leaderboard.csv").read_text()
    assert "rounded:defended" in capsys.readouterr().out


def test_from_python(capsys: pytest.CaptureFixture[str]) -> None:
    namespace: dict = {}
    exec(block(ROOT / "docs/start.md", "python", "bench.evaluate"), namespace)
    robust = eval(capsys.readouterr().out.replace(" ", ",").replace("[,", "["))  # numpy prints [a b]
    assert len(robust) == 2
    assert 1 >= robust[0] >= robust[1] >= 0
    assert len(namespace["rows"]) == 6  # two attacks and their worst case at two ε


def test_the_table_of_models_is_whole() -> None:
    text = (ROOT / "docs/models.md").read_text()
    shown = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}
    assert shown == {entry.architecture for entry in zoo.ENTRIES.values()}


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
