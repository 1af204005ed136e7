"""A problem, and running it over a backend: chunks of work, noise, quadrature, features left out.

What a backend of somebody else's needs is imported from here: examples expanded to many points, and the contract suite.
"""

from typing import TYPE_CHECKING, Any

from explain.running.execution import UNSEEN
from explain.running.expansion import Expansion, StraightPath, expanded_gradients
from explain.running.random_state import preserved_random_state

if TYPE_CHECKING:
    from explain.running.contract import BackendContract, ContractModel

__all__ = [
    "UNSEEN",
    "BackendContract",
    "ContractModel",
    "Expansion",
    "StraightPath",
    "expanded_gradients",
    "preserved_random_state",
]


def __getattr__(name: str) -> Any:
    """Import the contract suite when it is asked for: no explanation needs it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    from explain.running import contract

    return getattr(contract, name)
