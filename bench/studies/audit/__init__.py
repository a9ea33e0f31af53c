"""The audit checks whether an evaluation may be believed.

A broken model can look robust: its gradients vanish, its outputs are random, or it treats an attacked image differently
from a clean one. ``CHECKS`` lists the checks, ``probe`` examines the model itself, ``findings_attacks`` and
``findings_probe`` judge the arrays, and an ``Audit`` has the verdict. Importing this package loads no torch.
"""

from bench.studies.audit.check import FULL, QUICK, Check
from bench.studies.audit.checks import CHECKS
from bench.studies.audit.findings import Finding, skipped, unmade
from bench.studies.audit.findings_probe import probe_findings
from bench.studies.audit.verdict import Audit, to_json

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
