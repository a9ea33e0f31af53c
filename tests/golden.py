"""The smallest run of every kind of cell, as one JSON file that two versions of the code are compared by.

    python -m tests.golden make before.json       # in a checkout of the commit before
    python -m tests.golden make after.json        # on the same machine, in the changed one
    python -m tests.golden compare before.json after.json

Digests depend on kernels and versions, so both files are made on one machine. What a key is made of does not, but for
the kernels' name and the parent's digest: keys without these two are compared with ``tests/golden_keys.json`` too
(``python -m tests.golden keys FILE`` writes it anew where a key is meant to change).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

KEYS = Path(__file__).with_name("golden_keys.json")
_DIGEST = re.compile(rb'<meta name="symbench-digest" [^>]*>\n')
SMALL = "--n 8 --workers 1"
RUNS = (
    f"run --model baseline_cnn_4,parallel_gcnn_4 --attacks fgsm,pgd --steps 3 --eps 0.02,0.1 {SMALL}",
    f"run --model baseline_cnn_4 --attacks foolbox:pgd,ddn --norm l2 --steps 3 --eps 0.5 --independent {SMALL}",
    f"run --model baseline_cnn_4 --attacks spatial_random {SMALL}",
    f"run --model baseline_cnn --protocol released --eps 0.02 {SMALL}",
    "run --model baseline_cnn_4 --dataset corrupted:digits --attacks fgsm --eps 0.02 --n 90 --workers 1",
    f"audit --model baseline_cnn_4 --eps 0.02,0.1 {SMALL}",
    "clever --model baseline_cnn_4 --batches 4 --samples 8 --n 2 --workers 1",
    "certify --model baseline_cnn_4 --n 2 --workers 1",
    "certify --model baseline_cnn_4 --method smoothing --samples 200 --orbit --n 2 --workers 1",
    "detect --model baseline_cnn_4 --eps 0.1 --n 4 --calibration 20 --steps 2 --workers 1",
    f"invariance --model baseline_cnn_4 --eps 0.3 --candidates 2 {SMALL}",
    f"mip --model baseline_cnn_4 --draws 2 --grid 10 {SMALL}",
    f"spatial --model baseline_cnn_4 --rotate 30 --draws 2 --grid 3x3 --turns 4 {SMALL}",
    "theory --model baseline_cnn_4 --n 2 --workers 1",
    f"tradeoff --rotate 30,180 --draws 2 --steps 2 --eps 0.1 --front pgd --seeds 1 {SMALL}",
)


def main() -> None:
    """Makes a file, compares two, or writes the keys of one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("make", "compare", "keys"))
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    if options.what == "make":
        options.files[0].write_text(json.dumps(made(), indent=1, sort_keys=True))
    elif options.what == "keys":
        KEYS.write_text(json.dumps(json.loads(options.files[0].read_text())["keys"], indent=0) + "\n")
    else:
        before, after = (json.loads(file.read_text()) for file in options.files)
        differences = list(compared(before, after))
        print("\n".join(differences) or f"equal: {len(after['cells'])} cells, {len(after['rows'])} rows")
        sys.exit(bool(differences))


def made() -> dict[str, Any]:
    """Measures everything in an empty folder, by a clock that stands still."""
    from bench.commands.cli import main as bench
    from bench.engine.store import DirectoryStore

    home = Path.cwd()
    with mock.patch("time.perf_counter", return_value=0.0), tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for line in RUNS:
                code = bench(shlex.split(line))
                assert code == 0, f"bench {line} ended with exit code {code}"
            store = DirectoryStore(Path(".symbench"))
            found = [each for each in store.cells() if each is not None]
            return {
                "cells": {each.cell.key: each.result.digest for each in found},
                "keys": sorted(each.cell.derive(backend="", parent=None).key for each in found),
                "runs": list(store.runs()),
                "rows": rows(),
                "pages": pages(),
            }
        finally:
            os.chdir(home)


def rows() -> list[dict[str, Any]]:
    """The leaderboard without what differs from run to run."""
    from bench.leaderboard.columns import TIMING
    from bench.leaderboard.file import read

    return [{k: v for k, v in row.items() if k not in TIMING} for row in read(Path("leaderboard.csv"))]


def pages() -> dict[str, str]:
    """sha256 of each page and figure; of pages without the digest of the code that drew them."""
    found = {}
    for file in sorted(Path("reports").rglob("*")):
        if file.is_file() and file.suffix != ".csv":
            found[str(file)] = hashlib.sha256(_DIGEST.sub(b"", file.read_bytes())).hexdigest()
    return found


def compared(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """What differs, in a line each."""
    for part in ("cells", "pages"):
        for name in sorted({*before[part], *after[part]}):
            if before[part].get(name) != after[part].get(name):
                yield f"{part}: {name}: {before[part].get(name)} → {after[part].get(name)}"
    for part in ("runs", "rows"):
        if len(before[part]) != len(after[part]):
            yield f"{part}: {len(before[part])} → {len(after[part])}"
        for i, (old, new) in enumerate(zip(before[part], after[part], strict=False)):
            for name in sorted({*old, *new}):
                if old.get(name) != new.get(name):
                    yield f"{part} {i}: {name}: {str(old.get(name))[:100]} → {str(new.get(name))[:100]}"
    if after["keys"] != json.loads(KEYS.read_text()):
        yield "keys: other than those of tests/golden_keys.json"


if __name__ == "__main__":
    main()
