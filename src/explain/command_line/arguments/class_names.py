"""Names of classes from a file: a line for each class, or JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from explain.errors import InputError
from explain.files.json_text import read_json

_FORMS = (
    "one name a line in the order of the model's outputs, or JSON: a list of names, or names by index "
    '({"0": "cat"})'
)
# Names of classes are short: a larger file is something else.
_MOST_BYTES = 10_000_000


def read_class_names(path: Path) -> tuple[str, ...]:
    """Read the names of classes.

    Parameters
    ----------
    path : pathlib.Path
        A text file with one name a line, in the order of the model's outputs; or JSON, a list of names, or an object
        of names by index: its values are names, or lists that end with one, as in ImageNet's class index.

    Raises
    ------
    InputError
        If it is neither.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "classes.txt"
    ...     _ = file.write_text("cat\\ndog\\n")
    ...     read_class_names(file)
    ('cat', 'dog')
    """
    if not path.is_file():
        raise FileNotFoundError(f"--classes {path}: there is no such file. Give a file with {_FORMS}.")
    if path.stat().st_size > _MOST_BYTES:
        raise InputError(f"--classes {path} is too large for names of classes: give {_FORMS}.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as cause:
        raise InputError(f"--classes {path} is not text in UTF-8: give {_FORMS}.") from cause
    if text.lstrip()[:1] in ("[", "{"):
        return _from_json(path, text)
    lines = text.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines or not all(line.strip() for line in lines):
        raise InputError(f"--classes {path} has {'an empty line' if lines else 'no names'}: give {_FORMS}.")
    return tuple(line.strip() for line in lines)


def _from_json(path: Path, text: str) -> tuple[str, ...]:
    wrong = InputError(f"--classes {path} does not hold names of classes: give {_FORMS}.")
    try:
        content = read_json(text)
        if isinstance(content, dict):
            content = {int(index): name for index, name in content.items()}
    except ValueError as cause:
        raise wrong from cause
    if isinstance(content, dict):
        if sorted(content) != list(range(len(content))):
            raise InputError(
                f"--classes {path} names {len(content)} classes, but their indices are not 0 to {len(content) - 1}: "
                "give each class a name."
            )
        content = [content[index] for index in range(len(content))]
    names = [_last(one) for one in content]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise wrong
    return tuple(names)


def _last(entry: Any) -> Any:
    """Give the name of an entry: the entry itself, or the last one of a list such as ["n01440764", "tench"]."""
    return entry[-1] if isinstance(entry, list) and entry else entry
