"""What every command has: its examples in `--help`, how it warns and fails, and the exit status it leaves with."""

from __future__ import annotations

import functools
import inspect
import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, TextIO, get_type_hints

import typer
from rich.markup import escape

from explain.command_line.spelled import as_options
from explain.errors import ExplainError, ExplainWarning
from explain.public_calls.callers_line import FULL_TRACEBACK

_KEYWORD = inspect.Parameter.KEYWORD_ONLY

# The exit statuses, as `explain --help` and the guide give them.
DONE, DIFFERENT, WRONG, UNEXPECTED, INTERRUPTED = 0, 1, 2, 3, 130

Debug = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of an error, and the warnings of other packages.")
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only the result: no progress bar, no summary.")
]


def command(
    app: typer.Typer, name: str, examples: Sequence[str], *, hidden: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a command that has `--debug`, and fails in one sentence.

    A parameter whose type is a dataclass stands for an option for each of its fields.

    Parameters
    ----------
    app : typer.Typer
        The application.
    name : str
        The name of the command.
    examples : sequence of str
        Lines that a user can type, for its `--help`.
    hidden : bool
        Whether `explain --help` leaves it out.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        # Typer reads the signature: with the real types, the options of each group, and one option more.
        own = inspect.signature(function, eval_str=True).parameters.values()
        groups: dict[str, type[Any]] = {
            one.name: one.annotation
            for one in own
            if isinstance(one.annotation, type) and is_dataclass(one.annotation)
        }
        options = [
            option
            for one in own
            for option in (_options_of(groups[one.name]) if one.name in groups else [one])
        ]
        options = [
            one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for one in (*options, inspect.Parameter("debug", _KEYWORD, default=False, annotation=Debug))
        ]

        spoken = {one.name: one for one in options}

        @functools.wraps(function)
        def run(*, debug: bool = False, **given: Any) -> None:
            for group, made in groups.items():
                given[group] = made(**{field.name: given.pop(field.name) for field in fields(made)})
            with _reported(spoken, debug=debug, as_json=given.get("as_json") is True):
                function(**given)

        run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in options}
        # A blank line ends a line of an epilog.
        epilog = "\n\n".join(("[bold]Examples[/bold]", *map(escape, examples)))
        app.command(name, epilog=epilog, hidden=hidden)(run)
        return function

    return register


def _options_of(group: type[Any]) -> list[inspect.Parameter]:
    """Give the fields of a dataclass as parameters; each has a default."""
    types = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(one.name, _KEYWORD, default=one.default, annotation=types[one.name])
        for one in fields(group)
    ]


def say(sentence: str) -> None:
    """Write a sentence to the error stream, which does not belong to the result."""
    typer.echo(f"explain: {sentence}", err=True)


@contextmanager
def _reported(options: Mapping[str, inspect.Parameter], *, debug: bool, as_json: bool) -> Iterator[None]:
    """Write warnings and errors as sentences; the exit status tells a wrong call from an unexpected failure."""
    try:
        with _warnings_as_sentences(options, debug), _all_frames(debug):
            yield
    except (typer.Exit, typer.Abort):
        raise
    except BrokenPipeError as error:
        # The reader of a pipe, such as `head`, has read enough; else Python would complain when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(DONE) from error
    except KeyboardInterrupt as error:
        say("interrupted; what was not finished is not written.")
        raise typer.Exit(INTERRUPTED) from error
    except Exception as error:
        status, sentence = _status_and_sentence(error)
        sentence = as_options(sentence, options)
        if debug:
            traceback.print_exc()
        if as_json:
            typer.echo(json.dumps({"error": {"type": type(error).__name__, "message": sentence}}))
        say(sentence)
        raise typer.Exit(status) from error


def _status_and_sentence(error: Exception) -> tuple[int, str]:
    text = " ".join(str(error).split())
    if isinstance(error, ExplainError):
        return WRONG, text
    if isinstance(error, OSError):
        # Ours say what to do; the system's say what is wrong.
        if error.errno is None or error.strerror != os.strerror(error.errno):
            return WRONG, error.strerror or text
        where = f"{error.filename}: " if error.filename is not None else ""
        return WRONG, f"{where}{error.strerror}. Check the name, and that you may read or write there."
    return (
        UNEXPECTED,
        f"{type(error).__name__}: {text}. This is unexpected: run the command again with --debug to see where it "
        "happens; unless it is in code of your own, please report it.",
    )


@contextmanager
def _all_frames(debug: bool) -> Iterator[None]:
    """Keep the frames of this package in tracebacks."""
    if debug and FULL_TRACEBACK not in os.environ:
        os.environ[FULL_TRACEBACK] = "1"
        try:
            yield
        finally:
            del os.environ[FULL_TRACEBACK]
    else:
        yield


@contextmanager
def _warnings_as_sentences(options: Mapping[str, inspect.Parameter], debug: bool) -> Iterator[None]:
    """Write each warning of `explain` once, as a sentence; those of other packages only for debugging."""
    seen: set[str] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = " ".join(str(message).split())
        if text not in seen:
            seen.add(text)
            say(f"warning: {as_options(text, options)}")

    with warnings.catch_warnings():
        if not debug:
            warnings.simplefilter("ignore")
        warnings.simplefilter("always", ExplainWarning)
        warnings.showwarning = show
        yield
