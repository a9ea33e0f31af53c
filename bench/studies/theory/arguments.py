"""Options of ``bench theory``."""

from __future__ import annotations

import argparse

from bench.studies.shared.arguments import data_options, measuring_options, model_options, place_options


def add_options(sub: argparse.ArgumentParser) -> None:
    """Adds the options to a parser."""
    model_options(sub)
    data_options(sub)
    measuring_options(sub, n="images (default 50)", batch=None)
    place_options(sub, "store", "reports")
