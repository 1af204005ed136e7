"""Models of PyTorch from files that hold a whole one and run nothing when they are read."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from explain.errors import UnsupportedModelError


def load_model(path: Path) -> Any:
    """Read a TorchScript file, on the CPU.

    Its reader is not Python's pickle and knows tensors and TorchScript's own classes only.

    Parameters
    ----------
    path : pathlib.Path
        What `torch.jit.save` wrote.

    Returns
    -------
    torch.jit.ScriptModule
        In the mode in which it was saved.

    Raises
    ------
    UnsupportedModelError
        If it is no such file: what `torch.save` writes is a pickle, which would run code of the file.
    """
    read: Callable[..., Any] = torch.jit.load
    try:
        # TorchScript is no longer made new, but there are files of it, and no other kind that is read without pickle.
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            return read(str(path), map_location="cpu")
    except (RuntimeError, ValueError) as cause:
        said = str(cause).strip().partition("\n")[0]
        raise UnsupportedModelError(
            f"{path} is no TorchScript file that can be read ({said}). A file of torch.save is a pickle, and reading "
            "one runs code of the file: name a function that builds the model instead, as module:function."
        ) from cause
