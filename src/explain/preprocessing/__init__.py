"""Files of your own as the input of a model: `read` them, with the settings of a `Preprocessing`.

Examples
--------
>>> from explain import preprocessing
>>> preprocessing.preset("imagenet").size
224
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from explain.lazy_names import importer

if TYPE_CHECKING:
    from explain.preprocessing.from_model import of_model
    from explain.preprocessing.inputs_read import Inputs
    from explain.preprocessing.presets import PRESETS, preset
    from explain.preprocessing.reading import read
    from explain.preprocessing.settings import Preprocessing

_HOMES = {
    "Inputs": "explain.preprocessing.inputs_read",
    "PRESETS": "explain.preprocessing.presets",
    "Preprocessing": "explain.preprocessing.settings",
    "of_model": "explain.preprocessing.from_model",
    "preset": "explain.preprocessing.presets",
    "read": "explain.preprocessing.reading",
}

__all__ = ["PRESETS", "Inputs", "Preprocessing", "of_model", "preset", "read"]

__getattr__ = importer(__name__, _HOMES)


def __dir__() -> list[str]:
    """List the public names."""
    return [*__all__]
