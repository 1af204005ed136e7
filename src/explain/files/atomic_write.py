"""Writes a file or a folder whole: a reader never gets a part of one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write to; at the end its files are moved to `folder`, which is made if there is none.

    If the body raises an error, `folder` is as it was.

    Parameters
    ----------
    folder : pathlib.Path
        The folder to make, or whose files of the same names are replaced.

    Raises
    ------
    OSError
        If the folder cannot be written.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as place:
    ...     with replace_folder(Path(place) / "results") as unfinished:
    ...         _ = (unfinished / "note.txt").write_text("text")
    ...     [path.name for path in Path(place).rglob("*")]
    ['results', 'note.txt']
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".tmp"))
    try:
        yield temporary
        if folder.exists():
            for path in temporary.iterdir():
                os.replace(path, folder / path.name)
        else:
            # As in replace_file.
            temporary.chmod(0o777 & ~_umask())
            os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _umask() -> int:
    """Read the process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
