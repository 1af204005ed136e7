"""Sentences of the Python interface, with its parameters as the options of a command."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

from typer.models import OptionInfo

# Parameters whose option has another name.
_OTHER_NAMES = {"preprocessing": "preset"}
# What is no keyword argument in Python, or no single option here.
_PHRASES = (
    (re.compile(r"display=explain\.Display\(classes=\(\.\.\.\)\)"), "classes", "--classes FILE"),
    (re.compile(r"channels=['\"](first|last)['\"]"), "channels_first", r"--channels-\1"),
    # Of sounds, NT is read; an array is taken as it is.
    (
        re.compile(r"(add [\w ,\[\]]*?x\[:, None\]), to make it \(N, C, T\)"),
        "layout",
        r"\1 (of sounds: --layout NCT)",
    ),
    (re.compile(r"series='(\w+)'"), "series_by", r"--series-by \1"),
    (re.compile(r"explain\.methods\(\)"), None, "`explain methods`"),
    (re.compile(r"explain\.layers\(model, x\)"), None, "`explain layers MODEL INPUT`"),
)
_VALUE = r"'[^']*'|\"[^\"]*\"|\[[^\[\]]*\]|\([^()]*\)|-?\d+(?:\.\d+)?(?:e-?\d+)?|None|True|False"
# A value of another form, such as an expression, is code, and stays as it is.
_KEYWORD = re.compile(rf"(?<![\w.(])(?P<name>[a-z_]+)=(?P<value>{_VALUE})?(?=[\s,;:?)]|\.(?:\s|$)|$)")


def as_options(sentence: str, options: Mapping[str, inspect.Parameter]) -> str:
    """Spell the keyword arguments in a sentence as options, those that the command has.

    Parameters
    ----------
    sentence : str
        Of an error or a warning, which speaks to users of Python.
    options : mapping of str to inspect.Parameter
        The options of the command, by the names of their parameters.
    """
    for pattern, needed, spelled in _PHRASES:
        if needed is None or needed in options:
            sentence = pattern.sub(spelled, sentence)

    def option(found: re.Match[str]) -> str:
        name = _OTHER_NAMES.get(found["name"], found["name"])
        if name not in options:
            return found[0]
        parts = get_args(options[name].annotation)
        flag = next((one for info in parts[1:] if isinstance(info, OptionInfo) for one in _flags(info)), None)
        words = _words(found["value"], parts[0] if parts else None)
        return found[0] if flag is None or words is None else _spelled(flag, words, parts[0])

    return _KEYWORD.sub(option, sentence)


def _flags(info: OptionInfo) -> list[str]:
    # In an annotation, Typer takes the first of the names for the default.
    names = (info.default, *(info.param_decls or ()))
    return [] if info.hidden else [one for one in names if isinstance(one, str) and one.startswith("--")][:1]


def _words(value: str | None, kind: Any) -> list[str] | None:
    """Give a value as words of a command line, one for each time that the option is given; None if it has no form."""
    if value is None or value in ("None", "True"):
        return []
    if value[0] in "([":
        inner = value[1:-1].strip().rstrip(",")
        parts = [_unquoted(one.strip()) for one in inner.split(",")]
        if not all(re.fullmatch(r"[\w .+-]+", one) for one in parts):
            return None
        return parts if _is_repeated(kind) and value[0] == "[" else [",".join(parts)]
    return [_unquoted(value)]


def _unquoted(text: str) -> str:
    return str(ast.literal_eval(text)) if text[:1] in "'\"" and text[-1:] == text[:1] else text


def _is_repeated(kind: Any) -> bool:
    return any(get_origin(one) is list or one is list for one in (kind, *get_args(kind)))


def _is_pair(kind: Any) -> bool:
    return any(get_origin(one) is tuple for one in (kind, *get_args(kind)))


def _spelled(flag: str, words: Sequence[str], kind: Any) -> str:
    if not words:
        return flag
    if _is_pair(kind):
        return " ".join((flag, *words[0].split(",")))
    return " ".join(f"{flag} {shlex.quote(word)}" for word in words)
