"""The problem of a method, and its parts that run on a backend: chunks of work, noise, quadrature, coalitions.

Third-party backends import from here: examples expanded to many points, and the contract suite.
"""

from typing import TYPE_CHECKING

from explain.lazy_names import importer
from explain.running.execution import UNSEEN
from explain.running.expansion import Expansion, StraightPath, expanded_gradients
from explain.running.random_state import preserved_random_state

if TYPE_CHECKING:
    from explain.running.backend_contract import BackendContract, ContractModel

__all__ = [
    "UNSEEN",
    "BackendContract",
    "ContractModel",
    "Expansion",
    "StraightPath",
    "expanded_gradients",
    "preserved_random_state",
]


# No explanation needs the contract suite, so it is imported on first use.
__getattr__ = importer(
    __name__,
    {
        "BackendContract": "explain.running.backend_contract",
        "ContractModel": "explain.running.backend_contract",
    },
)
