"""What a caller names as inputs: files, folders, globs and standard input, as files of one kind in natural order."""

from __future__ import annotations

import glob
import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, get_args

from explain.errors import InputError
from explain.inputs.readers import pictures, sound
from explain.inputs.readers.limits import check_bytes

Kind = Literal["picture", "npy", "npz", "csv", "parquet", "text", "sound"]
KINDS: tuple[Kind, ...] = get_args(Kind)

STANDARD_INPUT = "-"
_KIND_OF: dict[str, Kind] = {
    **dict.fromkeys(pictures.SUFFIXES, "picture"),
    **dict.fromkeys(sound.SUFFIXES, "sound"),
    ".npy": "npy",
    ".npz": "npz",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".txt": "text",
}
_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"\x93NUMPY", "npy"),
    (b"PK\x03\x04", "npz"),
    (b"\x89PNG\r\n\x1a\n", "picture"),
    (b"\xff\xd8\xff", "picture"),
    (b"GIF8", "picture"),
    (b"BM", "picture"),
    (b"II*\0", "picture"),
    (b"MM\0*", "picture"),
    (b"PAR1", "parquet"),
    (b"fLaC", "sound"),
    (b"OggS", "sound"),
)
# A list of files longer than this was not meant as one batch.
_MOST_FILES = 100_000
_PIECE = 2**22


@dataclass(frozen=True)
class Source:
    """One file, or standard input.

    Attributes
    ----------
    name : str
        What results and messages call it: a label, never a path to write to.
    kind : str
        The kind of its content, one of `KINDS`.
    path : pathlib.Path, optional
        Where it is.
    content : bytes
        Of standard input: all of it.
    """

    name: str
    kind: Kind
    path: Path | None = None
    content: bytes = b""

    def opened(self) -> Path | IO[bytes]:
        """Give the path, or a stream of standard input's content."""
        return io.BytesIO(self.content) if self.path is None else self.path

    def bytes(self) -> bytes:
        """Read the file whole, if it fits in the memory."""
        if self.path is None:
            return self.content
        check_bytes(self.path.stat().st_size, self.name, "this size")
        return self.path.read_bytes()


def sources_of(given: Any, kind: Kind | None = None, standard_input: IO[bytes] | None = None) -> list[Source]:
    """Find the files that a caller names.

    Parameters
    ----------
    given : str, pathlib.Path or sequence of them
        Files; folders, of which the files directly in them are taken whose suffix is known; globs such as
        ``"photos/*.png"`` (``**`` for folders in folders); ``"-"`` for standard input. What a glob or a folder gives is
        in natural order, ``2.png`` before ``10.png``.
    kind : str, optional
        The kind of every file, if it is not told by suffix and content.
    standard_input : binary stream, optional
        What ``"-"`` reads; by default the process's.

    Returns
    -------
    list of Source
        All of one kind.

    Raises
    ------
    InputError
        If nothing is found, a file is of no kind that is read, or the kinds are mixed.

    Examples
    --------
    >>> sources_of("no-such-folder/*.png")
    Traceback (most recent call last):
    explain.errors.InputError: No file matches 'no-such-folder/*.png'. ...
    """
    entries = list(given) if isinstance(given, (list, tuple, Iterator)) else [given]
    if kind is not None and kind not in KINDS:
        raise InputError(f"format={kind!r} is not a format that is read: give one of {', '.join(KINDS)}.")
    found: list[Path | None] = []
    for entry in entries:
        found += [None] if isinstance(entry, str) and entry == STANDARD_INPUT else _paths(entry)
    if not found:
        raise InputError("No input is named. Give files, folders, a glob such as 'photos/*.png', or '-'.")
    if len(found) > _MOST_FILES:
        raise InputError(
            f"{len(found)} files are named; at most {_MOST_FILES} are read. Name fewer: 'photos/a*.png'."
        )
    if found.count(None) > 1:
        raise InputError("'-' stands twice among the inputs, and standard input is read once. Leave one out.")
    names = _names([path for path in found if path is not None])
    sources = [
        _of_standard_input(kind, standard_input)
        if path is None
        else Source(names[path], kind or _kind_of(path), path)
        for path in found
    ]
    for source in sources:
        if source.kind != sources[0].kind:
            raise InputError(
                f"{sources[0].name} is of kind {sources[0].kind!r} and {source.name} of kind {source.kind!r}, and one "
                "call reads inputs of one kind. Name the files of one kind: 'folder/*.png'."
            )
    return sources


def natural(text: str) -> list[tuple[int, int, str]]:
    """Give a key that sorts numbers within names by their value.

    Examples
    --------
    >>> sorted(["10.png", "9.png"], key=natural)
    ['9.png', '10.png']
    """
    parts = re.split(r"([0-9]+)", text.casefold())
    return [(0, int(part), "") if number % 2 else (1, 0, part) for number, part in enumerate(parts)]


def _paths(entry: Any) -> list[Path]:
    if not isinstance(entry, (str, os.PathLike)):
        raise InputError(
            f"An input is of type {type(entry).__name__}, and inputs are read from files: give paths. What is in "
            "memory already goes to explain.attribute, pictures through a Preprocessing: preprocessing(pictures)."
        )
    text = os.fspath(entry)
    if not text:
        raise InputError("An input is named '', which is no file. Give files, or '.' for the folder here.")
    path = Path(text).expanduser()
    if path.is_dir():
        return _in_folder(path)
    if path.is_file():
        return [path]
    if path.exists():
        raise InputError(f"{text} is not a file, but a device or a pipe. Pipe it in: command | explain ... -")
    if any(sign in text for sign in "*?["):
        matches = [Path(one) for one in glob.glob(str(path), recursive=True) if Path(one).is_file()]
        if not matches:
            raise InputError(f"No file matches {text!r}. Check the folder; '**' matches folders in folders.")
        return _in_order(matches)
    if "://" in text:
        raise InputError(
            f"{text} is an address, and files are read from here alone. Download it first: curl -O {text}"
        )
    near = _near(path)
    raise InputError(
        f"There is no file {text!r}."
        + (f" Did you mean {str(near)!r}?" if near else f" Check the path; the folder here is {Path.cwd()}.")
    )


def _in_folder(folder: Path) -> list[Path]:
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    files = [path for path in inside if path.suffix.lower() in _KIND_OF and path.is_file()]
    if not files:
        folders = any(path.is_dir() for path in inside)
        hint = f" Its folders have their own files: '{folder}/**/*.png'." if folders else ""
        raise InputError(
            f"{folder} has no file with a known suffix directly in it: {', '.join(_KIND_OF)}.{hint or ' Name another.'}"
        )
    return _in_order(files)


def _in_order(paths: Sequence[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: [natural(part) for part in path.parts])


def _near(path: Path) -> Path | None:
    """Give a file in the same folder whose name is like that of a path."""
    import difflib

    if not path.parent.is_dir():
        return None
    close = difflib.get_close_matches(path.name, os.listdir(path.parent), n=1, cutoff=0.75)
    return path.parent / close[0] if close else None


def _kind_of(path: Path) -> Kind:
    kind = _KIND_OF.get(path.suffix.lower())
    if kind is not None:
        return kind
    with path.open("rb") as stream:
        kind = _kind_of_bytes(stream.read(16))
    if kind is None:
        raise InputError(
            f"{path} is of no known kind: its suffix is {path.suffix!r}, and known are {', '.join(_KIND_OF)}. Convert "
            "it to one of these, or say what it holds: format='csv', format='text'..."
        )
    return kind


def _kind_of_bytes(start: bytes) -> Kind | None:
    """Tell what content begins so; None for text and the unknown."""
    if start[:4] == b"RIFF":
        return "picture" if start[8:12] == b"WEBP" else "sound"
    return next((kind for magic, kind in _MAGIC if start.startswith(magic)), None)


def _of_standard_input(kind: Kind | None, stream: IO[bytes] | None) -> Source:
    stream = sys.stdin.buffer if stream is None else stream
    parts, size = [], 0
    # Piece by piece: a pipe does not say how long it is, and asking for the most would reserve it.
    while piece := stream.read(_PIECE):
        parts.append(piece)
        size += len(piece)
        check_bytes(2 * size, "Standard input", f"{size} bytes or more")
    content = b"".join(parts)
    if not content:
        raise InputError("Standard input is empty. Pipe a file into it: explain ... - < cat.png")
    return Source("stdin", kind or _kind_of_bytes(content[:16]) or _kind_of_text(content), None, content)


def _kind_of_text(content: bytes) -> Kind:
    """Tell a table from lines of text: every line has the same number of values, the last ones numbers."""
    lines = [line for line in content[: 2**16].decode("utf-8", "replace").split("\n")[:-1] if line.strip()]
    for separator in ",;\t|":
        counts = {line.count(separator) for line in lines[:20]}
        if len(lines) > 1 and counts != {0} and len(counts) == 1:
            cells = [cell.strip() for cell in lines[1].split(separator)]
            if any(re.fullmatch(r"[-+]?[0-9][0-9.eE+-]*", cell) for cell in cells):
                return "csv"
    return "text"


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """Name files by their last parts: as many as tell them apart."""
    shorten: Callable[[Path, int], str] = lambda path, count: "/".join(path.parts[-count:])  # noqa: E731
    longest = max((len(path.parts) for path in paths), default=1)
    different = set(paths)
    for count in range(1, longest + 1):
        names = {path: printable(shorten(path, count)) for path in paths}
        if len(set(names.values())) == len(different):
            return names
    return {path: printable(str(path)) for path in paths}


def printable(name: str) -> str:
    """Give a name without control characters, which a terminal would obey.

    Examples
    --------
    >>> printable("a\\x1b[2J.png")
    'a\\\\x1b[2J.png'
    """
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape", "backslashreplace").decode()
        for one in name
    )
