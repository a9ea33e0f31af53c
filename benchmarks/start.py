"""What a command with nothing to measure costs: a second ``bench run`` of one model against three imports.

Both are CPU seconds, user and system, of a process and all that it starts and waits for. They take turns, one thread
each. The second run finds every cell stored, every row in the leaderboard and the page drawn.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TARGET = 2.0
ROOT = Path(__file__).parent.parent
IMPORTS = [sys.executable, "-c", "import torch, pandas, matplotlib"]


def main() -> None:
    """Prints the medians in seconds and the median of the ratios."""
    options = arguments()
    words = [
        "run",
        "--model",
        options.model,
        "--attacks",
        "fgsm,pgd",
        "--n",
        str(options.n),
        "--workers",
        "1",
    ]
    run = [sys.executable, "-m", "bench.commands.cli", *words]
    with tempfile.TemporaryDirectory() as folder:
        first = seconds(run, folder)
        turns = [(seconds(IMPORTS, folder), seconds(run, folder)) for _ in range(options.repeats)]
    imports, second = (statistics.median(column) for column in zip(*turns, strict=True))
    ratio = statistics.median(b / a for a, b in turns)
    print(
        f"first run   {first:6.2f} s CPU\nimports     {imports:6.2f} s CPU\nsecond run  {second:6.2f} s CPU"
    )
    print(f"ratio       {ratio:6.2f} (target: at most {TARGET:g})")


def arguments() -> argparse.Namespace:
    """Command-line options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="baseline_cnn_4", metavar="NAMES")
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


def seconds(command: list[str], folder: str) -> float:
    """CPU seconds of a command in a folder, its own and its children's."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
