"""The attacks: one file for each library, one signature for all, and one literal table.

Importing this package imports no attack library: an adapter's module is loaded when it is first called.
"""

from bench.attacks.request import PRESETS, RELEASED_REQUESTS, Request, parse_requests
from bench.attacks.table import ATTACKS, LIBRARIES, AttackSpec, adapter, libraries_of
from bench.attacks.versions import library_version

__all__ = [
    "ATTACKS",
    "LIBRARIES",
    "PRESETS",
    "RELEASED_REQUESTS",
    "AttackSpec",
    "Request",
    "adapter",
    "libraries_of",
    "library_version",
    "parse_requests",
]
