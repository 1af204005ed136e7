"""Models of Keras from files that hold a whole one and run nothing when they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from explain.errors import UnsupportedModelError


def load_model(path: Path) -> Any:
    """Read a ``.keras`` file in Keras's safe mode.

    Parameters
    ----------
    path : pathlib.Path
        What ``model.save`` wrote.

    Returns
    -------
    keras.Model
        Not compiled: it is not to be trained.

    Raises
    ------
    UnsupportedModelError
        If it is no such file, holds a function that would be run, or a class that is not registered with Keras.
    """
    try:
        return keras.models.load_model(str(path), safe_mode=True, compile=False)
    # A damaged archive, a class that is not known, a layer that cannot be built: each raises what it likes.
    except Exception as cause:
        said = str(cause).strip().partition("\n")[0]
        raise UnsupportedModelError(
            f"{path} cannot be read in Keras's safe mode ({said}). For a model with layers of your own or a Lambda "
            "name a function that builds it, as module:function."
        ) from cause
