"""Writes a file atomically: a reader never gets a partial file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it, so that a failure leaves an older file intact.

    Parameters
    ----------
    path : pathlib.Path
        The file to write or replace.
    content : bytes
        Its content.

    Raises
    ------
    OSError
        If the file cannot be written; an older file stays intact.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     replace_file(Path(folder) / "note.txt", b"text")
    ...     os.listdir(folder)
    ['note.txt']
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        # mkstemp gives access to the owner only; these files get the usual permissions.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:  # Remove the temporary file after an interrupt too.
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    """Read the process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
