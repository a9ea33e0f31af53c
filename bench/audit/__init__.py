"""The audit: may this evaluation be believed?

A broken model can look robust: its gradients vanish, it answers at random, it treats an attacked image
otherwise than a clean one. ``CHECKS`` lists what is looked at, ``bench.audit.probe`` looks at the model itself,
``bench.audit.findings_attacks`` and ``bench.audit.findings_probe`` judge the arrays, and an ``Audit`` has the
verdict. Importing this package loads no torch.
"""

from bench.audit.check import FULL, QUICK, Check
from bench.audit.checks import CHECKS
from bench.audit.findings import Finding, skipped, unmade
from bench.audit.findings_probe import probe_findings
from bench.audit.verdict import Audit, to_json

__all__ = [
    "CHECKS",
    "FULL",
    "QUICK",
    "Audit",
    "Check",
    "Finding",
    "probe_findings",
    "skipped",
    "to_json",
    "unmade",
]
