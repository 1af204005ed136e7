"""Values that a command line gives as text: a target, a baseline, options, sizes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from explain.errors import OptionError
from explain.files.json_text import read_json

_WHOLE = re.compile(r"-?\d+")


def target_of(given: Sequence[str]) -> Any:
    """Read the targets: a class's number or name, an index such as ``2,7``; several stand for one each example.

    Examples
    --------
    >>> target_of([]), target_of(["3"]), target_of(["cat"]), target_of(["2,7"]), target_of(["cat", "3"])
    (None, 3, 'cat', (2, 7), ['cat', 3])
    """
    read = [_one_target(text) for text in given]
    if not read:
        return None
    return read[0] if len(read) == 1 else read


def _one_target(text: str) -> int | str | tuple[int, ...]:
    parts = [part.strip() for part in text.strip("()").split(",")]
    if not all(_WHOLE.fullmatch(part) for part in parts):
        return text
    return int(parts[0]) if len(parts) == 1 else tuple(int(part) for part in parts)


def baseline_of(text: str | None) -> float | str | None:
    """Read a baseline: a number or the name of a rule.

    Examples
    --------
    >>> baseline_of("0.5"), baseline_of("blur"), baseline_of(None)
    (0.5, 'blur', None)
    """
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def options_of(given: Sequence[str]) -> Mapping[str, Any]:
    """Read NAME=VALUE: the value as JSON if it is valid JSON, else as text.

    Examples
    --------
    >>> options_of(["n_steps=20", "rule=trapezoid"])
    {'n_steps': 20, 'rule': 'trapezoid'}
    """
    options: dict[str, Any] = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals:
            raise OptionError(f"--option {one} is not NAME=VALUE, for example --option n_steps=20.")
        try:
            options[name] = read_json(text)
        except ValueError:
            options[name] = text
    return options


def numbers_of(flag: str, text: str | None) -> float | tuple[float, ...] | None:
    """Read one number, or several between commas or blanks.

    Examples
    --------
    >>> numbers_of("--mean", "0.485,0.456,0.406"), numbers_of("--mean", "0.5"), numbers_of("--mean", None)
    ((0.485, 0.456, 0.406), 0.5, None)
    """
    if text is None:
        return None
    try:
        numbers = tuple(float(part) for part in text.replace(",", " ").split())
    except ValueError:
        numbers = ()
    if not numbers:
        raise OptionError(f"{flag} {text!r} is not numbers between commas: give for example {flag} 0.5.")
    return numbers[0] if len(numbers) == 1 else numbers


def shape_of(flag: str, text: str | None) -> tuple[int, ...] | None:
    """Read whole numbers between commas, blanks or ×.

    Examples
    --------
    >>> shape_of("--shape", "3,32,32"), shape_of("--shape", "224x192"), shape_of("--shape", None)
    ((3, 32, 32), (224, 192), None)
    """
    if text is None:
        return None
    parts = re.split(r"[,x×\s]+", text.strip())
    if not all(_WHOLE.fullmatch(part) for part in parts) or min(map(int, parts)) < 1:
        raise OptionError(
            f"{flag} {text!r} is not whole numbers of at least 1 between commas, for example {flag} 224,224."
        )
    return tuple(map(int, parts))


def size_of(flag: str, text: str | None) -> int | tuple[int, int] | None:
    """Read the size of a picture: one number for a square, or height and width.

    Examples
    --------
    >>> size_of("--size", "224"), size_of("--size", "224,192")
    (224, (224, 192))
    """
    shape = shape_of(flag, text)
    if shape is None:
        return None
    if len(shape) > 2:
        raise OptionError(f"{flag} {text} has {len(shape)} numbers: give 224, or height,width.")
    return shape[0] if len(shape) == 1 else (shape[0], shape[1])
