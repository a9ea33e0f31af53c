"""Any model under the evaluation of a released script: our own FGSM and PGD in the script's input space.

What the scripts do is stated by ``bench.protocols.Released``; here it is carried out as written, with batch
norm in the mode it has there and running statistics that drift as there.
"""

from bench.released.attacks import fgsm, pgd
from bench.released.cells import measure_released
from bench.released.checks import check_asked, check_network
from bench.released.network import Network

__all__ = ["Network", "check_asked", "check_network", "fgsm", "measure_released", "pgd"]
