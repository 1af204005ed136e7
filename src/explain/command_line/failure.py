"""What the commands share: errors on one line, and arrays from files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from explain.errors import ExplainError, InputError


@contextmanager
def errors_on_one_line() -> Iterator[None]:
    """Print what went wrong without a traceback, and leave with status 2."""
    try:
        yield
    except (ExplainError, FileNotFoundError) as error:
        typer.echo(f"explain: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(2) from error


def read_array(path: Path) -> Any:
    """Read a .npy file; pickled objects are refused, since reading them runs code of the file."""
    import numpy as np

    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as cause:
        raise InputError(
            f"{path} is not a .npy file of numbers ({cause}). Write one with numpy.save."
        ) from cause
