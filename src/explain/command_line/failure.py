"""How a command fails: with one line on the error stream, and the exit status 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from explain.errors import ExplainError


@contextmanager
def errors_on_one_line() -> Iterator[None]:
    """Print an error on one line, without a traceback, and exit with status 2."""
    try:
        yield
    except (ExplainError, FileNotFoundError) as error:
        typer.echo(f"explain: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(2) from error
