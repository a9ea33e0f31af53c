"""Any model under the evaluation of a released script: our own FGSM and PGD in the script's input space.

What the scripts do is stated by ``bench.engine.protocols.Released``; here it is carried out as written, with the
script's mode of batch norm and with running statistics that change as in the script.
"""

from bench.studies.released.attacks import fgsm, pgd
from bench.studies.released.cells import measure_released
from bench.studies.released.checks import check_asked, check_network
from bench.studies.released.network import Network

__all__ = ["Network", "check_asked", "check_network", "fgsm", "measure_released", "pgd"]
