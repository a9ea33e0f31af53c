"""The attacks: one file a library behind one signature, and one literal table.

Importing this package imports no attack library: an adapter's module is loaded when it is first called.
"""

from bench.attacks.request import Request, parse_requests
from bench.attacks.table import ATTACKS, LIBRARIES, AttackSpec, adapter, library_version

__all__ = [
    "ATTACKS",
    "LIBRARIES",
    "AttackSpec",
    "Request",
    "adapter",
    "library_version",
    "parse_requests",
]
