"""Explanations of the same examples during training, for TensorBoard and on disk.

`explain.callbacks.torch` has a hook for a handwritten loop, `explain.callbacks.lightning` a callback of Lightning,
`explain.callbacks.keras` one of Keras. Importing this package imports none of them, and no framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from explain.lazy_names import importer

if TYPE_CHECKING:
    from explain.callbacks import keras, lightning, torch

_HOMES = {
    "keras": "explain.callbacks.keras",
    "lightning": "explain.callbacks.lightning",
    "torch": "explain.callbacks.torch",
}

__all__ = ["keras", "lightning", "torch"]


__getattr__ = importer(__name__, _HOMES)


def __dir__() -> list[str]:
    """List the public names."""
    return [*__all__]
