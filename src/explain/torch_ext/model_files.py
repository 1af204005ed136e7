"""Loads PyTorch models from files that contain a whole model and run no code when they are read."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from explain.errors import UnsupportedModelError


def load_model(path: Path) -> Any:
    """Read a TorchScript file, on the CPU.

    Its reader does not use pickle and accepts only tensors and TorchScript's own classes.

    Parameters
    ----------
    path : pathlib.Path
        A file that `torch.jit.save` wrote.

    Returns
    -------
    torch.jit.ScriptModule
        The model, in the mode (training or inference) in which it was saved.

    Raises
    ------
    UnsupportedModelError
        If it is not a TorchScript file. A file of `torch.save` is a pickle, which would run code when it is read.
    """
    read: Callable[..., Any] = torch.jit.load
    try:
        # TorchScript is deprecated, but its files exist, and PyTorch reads no other model file without pickle.
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            return read(str(path), map_location="cpu")
    except (RuntimeError, ValueError) as cause:
        reason = str(cause).strip().partition("\n")[0]
        raise UnsupportedModelError(
            f"{path} is not a readable TorchScript file ({reason}). A file of torch.save is a pickle, and reading "
            "one runs code of the file: name a function that builds the model instead, as module:function."
        ) from cause
