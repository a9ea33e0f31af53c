"""Imports ART without its writing into the user's home folder."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from unittest import mock

from bench.errors import CellError


def load_art(module: str) -> ModuleType:
    """A module of ART. Importing ART makes ``~/.art`` and a file in it; here that goes to a temporary folder:
    ``art.config``, which does it, is loaded first, with another home.

    Raises:
        CellError: ART is not installed.
    """
    if "art.config" not in sys.modules:
        found = importlib.util.find_spec("art")
        if found is None or found.origin is None:
            raise CellError("ART is not installed; pip install adversarial-robustness-toolbox")
        spec = importlib.util.spec_from_file_location("art.config", Path(found.origin).with_name("config.py"))
        assert spec is not None
        assert spec.loader is not None
        config = importlib.util.module_from_spec(spec)
        with tempfile.TemporaryDirectory() as home, mock.patch.dict(os.environ, HOME=home, USERPROFILE=home):
            spec.loader.exec_module(config)
        sys.modules["art.config"] = config
    return importlib.import_module(module)
