"""How much a file may claim to contain, checked before it is read."""

from __future__ import annotations

import psutil

from explain.errors import InputError

# Twice this is what Pillow refuses; a camera of today has less.
LARGEST_PICTURE = 128 * 2**20


def check_bytes(needed: int, name: str, what: str) -> None:
    """Refuse what would fill more than half of the free memory, from what its header declares.

    Parameters
    ----------
    needed : int
        Bytes that the content will take when it is read.
    name : str
        The file, as messages name it.
    what : str
        Its size in words, such as ``"an array of shape (1000000, 1000000)"``.

    Raises
    ------
    InputError
        If it is too large.

    Examples
    --------
    >>> check_bytes(8, "a.npy", "an array of shape (1,)")
    """
    most = bytes_to_read()
    if needed > most:
        raise InputError(
            f"{name} declares {what}, {_in_units(needed)} in memory; at most {_in_units(most)}, half of what "
            "is free, is filled with inputs. Explain fewer examples: cut the file into parts."
        )


def bytes_to_read() -> int:
    """Give how many bytes of inputs are read at most: half of the free memory."""
    return int(psutil.virtual_memory().available) // 2


def check_pixels(width: int, height: int, name: str, made: str = "has") -> None:
    """Refuse a picture of more than 128 million pixels, before it is decoded or made.

    Examples
    --------
    >>> check_pixels(100_000, 100_000, "a.png")
    Traceback (most recent call last):
    explain.errors.InputError: a.png has 100000×100000 pixels; at most 134217728 are read. ...
    """
    if width * height > LARGEST_PICTURE:
        raise InputError(
            f"{name} {made} {width}×{height} pixels; at most {LARGEST_PICTURE} are read. Make it smaller, or cut out "
            "the part to explain, with a program for pictures."
        )


def _in_units(count: int) -> str:
    size, units = float(count), ["B", "KB", "MB", "GB", "TB", "PB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.3g} {units[0]}" if size < 1e5 else f"{size:.0e} {units[0]}"
