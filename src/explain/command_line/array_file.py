"""Arrays that a command line names by their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from explain.errors import InputError


def read_array(path: Path) -> Any:
    """Read a .npy file; refuse pickled objects, since reading them runs code of the file."""
    import numpy as np

    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as cause:
        raise InputError(
            f"{path} is not a .npy file of numbers ({cause}). Write one with numpy.save."
        ) from cause
