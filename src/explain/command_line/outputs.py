"""The files that a command writes: one file by its suffix, or a folder with the results and their pictures."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explain.errors import OptionError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from explain.results.attribution import Attribution

PICTURES = (".png", ".svg", ".pdf")
_FORMS = "give a name that ends in .npz (to keep the result), .png, .svg or .pdf (to see it), or a folder (for both)"


def check_out(out: Path, *, overwrite: bool, inputs: int = 1) -> None:
    """Refuse a place for results before they are computed.

    Parameters
    ----------
    out : pathlib.Path
        The file or folder.
    overwrite : bool
        Whether a folder may have files already.
    inputs : int
        How many results there are to write.

    Raises
    ------
    OptionError
        If the suffix is unknown, the folder has files, one file cannot hold the results, or nothing can be written
        there.
    """
    if is_folder(out):
        if out.suffix and not out.is_dir() and not out.name.startswith("."):
            raise OptionError(f"--out {out}: no file {out.suffix} is written: {_FORMS}.")
        if out.exists() and not out.is_dir():
            raise OptionError(f"--out {out} is a file without a suffix: {_FORMS}.")
        if not overwrite and out.is_dir() and any(out.iterdir()):
            raise OptionError(
                f"--out {out} is a folder with files: give another name, or --overwrite to replace files of the same "
                "name."
            )
    elif out.is_dir():
        raise OptionError(f"--out {out} is a folder, but has the suffix of a file: {_FORMS}.")
    elif inputs > 1:
        raise OptionError(
            f"--out {out} is one file, but the model has {inputs} inputs, each with its result: give a folder."
        )
    check_place(out)


def check_place(out: Path) -> None:
    """Refuse what cannot be written, before minutes are spent on what to write."""
    is_new = not (is_folder(out) and out.is_dir())
    place = next(one for one in (out.absolute().parents if is_new else [out.absolute()]) if one.exists())
    if not place.is_dir():
        raise OptionError(
            f"--out {out}: {place} is a file, which nothing can be written into: give another name."
        )
    if not os.access(place, os.W_OK | os.X_OK):
        raise OptionError(
            f"--out {out}: nothing may be written in {place}: give a place in a folder of yours, or change its "
            "permissions."
        )


def is_folder(out: Path) -> bool:
    """Tell whether results are written to a folder.

    Examples
    --------
    >>> is_folder(Path("cat.png")), is_folder(Path("results"))
    (False, True)
    """
    return out.suffix.lower() not in (".npz", *PICTURES)


def unused_folder(name: str) -> Path:
    """Give the folder of that name in the current one, with a number if it exists.

    Examples
    --------
    >>> unused_folder("no-such-folder")
    PosixPath('no-such-folder')
    """
    folder, number = Path(name), 2
    while folder.exists():
        folder, number = Path(f"{name}-{number}"), number + 1
    return folder


def write_file(result: Attribution, out: Path, figure: Figure | None = None) -> Path:
    """Save a result as .npz, or draw it, by the suffix of the path; an older file is replaced whole."""
    from explain.files.atomic_write import replace_file

    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix.lower() == ".npz":
        return result.save(out)
    replace_file(out, picture_of(result.plot() if figure is None else figure, out.suffix.lower()))
    return out


def picture_of(figure: Figure, suffix: str) -> bytes:
    """Give a figure as the content of a .png, .svg or .pdf file, without date and version."""
    from explain.render import figure_png

    if suffix == ".png":
        return figure_png(figure)
    import matplotlib

    stream = io.BytesIO()
    date = "Date" if suffix == ".svg" else "CreationDate"
    # A fixed salt: the identifiers inside an SVG are random by default.
    with matplotlib.rc_context({"svg.hashsalt": "explain"}):
        figure.savefig(stream, format=suffix[1:], metadata={date: None})
    return stream.getvalue()


def write_json(path: Path, content: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write plain data as JSON, whole or not at all."""
    from explain.files.atomic_write import replace_file

    replace_file(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
