"""The tokenizer that a command line names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from explain.errors import InputError


def tokenizer_of(name: str | None) -> Any:
    """Load a tokenizer from a ``tokenizer.json``, or import the one that ``package.module:name`` names.

    Raises
    ------
    InputError
        If it cannot be loaded, or the package tokenizers is not installed.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> tokenizer_of("builtins:ord") is ord
    True
    """
    if name is None:
        return None
    if not name.endswith(".json"):
        from explain.models.factories import imported

        return imported(name)
    if not Path(name).is_file():
        raise FileNotFoundError(f"--tokenizer {name}: there is no such file.")
    try:
        from tokenizers import Tokenizer
    except ImportError as cause:
        raise InputError(
            f"--tokenizer {name} is read by the package tokenizers, which is not installed: pip install tokenizers."
        ) from cause
    try:
        return Tokenizer.from_file(name)
    # The package raises plain exceptions of its own kind.
    except Exception as cause:
        raise InputError(
            f"--tokenizer {name} is not a tokenizer.json ({cause}): give the file that Tokenizer.save wrote."
        ) from cause
