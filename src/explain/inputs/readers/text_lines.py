"""Text, one string per line."""

from __future__ import annotations

from explain.errors import InputError
from explain.inputs.readers.limits import check_bytes


def decoded(content: bytes, name: str) -> str:
    """Decode UTF-8, with or without a byte order mark.

    Raises
    ------
    InputError
        If it is another encoding, or no text.

    Examples
    --------
    >>> decoded("Ś".encode(), "a.txt")
    'Ś'
    """
    check_bytes(4 * len(content), name, "text")
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as cause:
        raise InputError(
            f"{name} is not text in UTF-8 (byte {cause.start} is {content[cause.start]:#04x}). Save it as UTF-8: "
            "iconv -f LATIN1 -t UTF-8, or 'UTF-8' where your program saves it."
        ) from cause
    if "\0" in text:
        raise InputError(f"{name} is not text: it has zero bytes. Give a .txt file with one string per line.")
    return text


def read_lines(content: bytes, name: str) -> tuple[list[str], list[str]]:
    """Read one string per line; blank lines are between them and are none.

    Returns
    -------
    strings : list of str
        The lines, without the white space at their end.
    names : list of str
        File and line of each.

    Raises
    ------
    InputError
        If there is none.

    Examples
    --------
    >>> read_lines(b"a film\\n\\na play\\n", "reviews.txt")
    (['a film', 'a play'], ['reviews.txt:1', 'reviews.txt:3'])
    """
    # Not str.splitlines, which ends lines at characters that stand within texts too.
    lines = [line.rstrip() for line in decoded(content, name).replace("\r\n", "\n").split("\n")]
    kept = [(line, f"{name}:{number}") for number, line in enumerate(lines, 1) if line]
    if not kept:
        raise InputError(f"{name} has no text in it. Write one string per line.")
    return [line for line, _ in kept], [place for _, place in kept]
