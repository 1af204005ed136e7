"""Keras models from files that hold a whole model and run no code when they are read."""

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
        A file that ``model.save`` wrote.

    Returns
    -------
    keras.Model
        The model; not compiled, since it is not trained.

    Raises
    ------
    UnsupportedModelError
        If it is not a ``.keras`` file, or it contains a function that would run, or a class that is not registered with
        Keras.
    """
    try:
        return keras.models.load_model(str(path), safe_mode=True, compile=False)
    # A damaged archive, an unknown class and a layer that cannot be built raise different exceptions.
    except Exception as cause:
        reason = str(cause).strip().partition("\n")[0]
        raise UnsupportedModelError(
            f"{path} cannot be read in Keras's safe mode ({reason}). For a model with layers of your own or a Lambda "
            "name a function that builds it, as module:function."
        ) from cause
