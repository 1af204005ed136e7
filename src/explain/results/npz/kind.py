"""A kind of result that has files: what its header says, and how errors name it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from explain.errors import ExplainError
from explain.inputs.display import shortened

SUFFIX = ".npz"


@dataclass(frozen=True)
class FileKind:
    """A kind of result that has files.

    Attributes
    ----------
    format : str
        The format that the header names.
    version : int
        The newest version of that format, which is the one that is written.
    noun : str
        What the result is called, such as ``"attribution"``.
    written_by : str
        The method that writes it.
    error, error_of_name : type of ExplainError
        The errors of a file that cannot be read, and of a name that cannot be written.
    remedy : str
        What to do if the file is no such file.
    smaller : str
        What to save instead of a result that does not fit into memory.
    picture : str
        The call that gives its figure.

    Examples
    --------
    >>> from explain.results.attribution_file import KIND
    >>> KIND.format, KIND.noun
    ('explain-attribution', 'attribution')
    """

    format: str
    version: int
    noun: str
    written_by: str
    error: type[ExplainError]
    error_of_name: type[ExplainError]
    remedy: str
    smaller: str
    picture: str


def is_file(given: object) -> bool:
    """Tell whether a file is given that is already open.

    Examples
    --------
    >>> import io
    >>> is_file(io.BytesIO()), is_file("a.npz")
    (True, False)
    """
    return hasattr(given, "read") or hasattr(given, "write")


def name_of(path: Any, error: type[ExplainError]) -> str:
    """Give the name of a file as text, or raise `error` if it is no name.

    Examples
    --------
    >>> from pathlib import Path
    >>> from explain.errors import InputError
    >>> name_of(Path("a.npz"), InputError)
    'a.npz'
    """
    try:
        return os.fsdecode(path)
    except TypeError as cause:
        raise error(
            f"path={shortened(path)} is a {type(path).__name__}: give the name of an .npz file, or a file that is "
            "open in binary mode."
        ) from cause
