"""Names of output files that were made from names of inputs, and never lead out of their folder."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection

# Names of devices on Windows, with any suffix.
_RESERVED = {
    *("con", "prn", "aux", "nul"),
    *(f"{device}{number}" for device in ("com", "lpt") for number in range(1, 10)),
}
_REPLACED = '<>:"/\\|?*'
# File systems take 255 bytes; a suffix and a temporary name are added to these.
_LONGEST = 120


def safe_name(name: str, taken: Collection[str] = ()) -> str:
    """Give the name of a file, without suffix, for a result of an input.

    Signs that separate folders, that a system reserves, or that a terminal obeys become ``_``; the name is no
    device's, starts and ends with no dot or space, has at most 120 bytes, and differs from those that are taken.

    Parameters
    ----------
    name : str
        The name of an input, such as that of its file, from wherever it came.
    taken : collection of str
        Names that were given already; compared without regard to case, as some file systems do.

    Returns
    -------
    str
        A name without folders.

    Examples
    --------
    >>> safe_name("../../etc/passwd"), safe_name("cat.png", taken=["CAT"]), safe_name("con.png")
    ('etc_passwd', 'cat.png', '_con.png')
    >>> safe_name("cat", taken=["CAT"])
    'cat_2'
    """
    plain = "".join(
        "_" if sign in _REPLACED or not sign.isprintable() else sign
        for sign in unicodedata.normalize("NFC", name)
    )
    # A lone surrogate stands for a byte that is no UTF-8.
    plain = _shortened(plain.encode("utf-8", "replace").decode(), _LONGEST).strip(" ._") or "input"
    if plain.split(".")[0].strip().casefold() in _RESERVED:
        plain = f"_{plain}"
    used = {one.casefold() for one in taken}
    unique, number = plain, 1
    while unique.casefold() in used:
        number += 1
        ending = f"_{number}"
        unique = f"{_shortened(plain, _LONGEST - len(ending))}{ending}"
    return unique


def _shortened(text: str, most: int) -> str:
    """Cut a text to a number of bytes, between signs."""
    return text.encode()[:most].decode(errors="ignore")
