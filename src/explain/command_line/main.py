"""The command `explain`: its own options, and its commands from the other files of this folder.

A command imports its modules when it runs: `explain --help` imports no framework, no NumPy and no matplotlib.
"""

from __future__ import annotations

import io
import os
import sys
from importlib import metadata
from typing import Annotated

import typer

from explain.command_line.attributions import compare_saved, draw_saved, make_attribution
from explain.command_line.check_migration import check_models
from explain.command_line.gallery import make_gallery
from explain.command_line.listing import list_methods, list_models

app = typer.Typer(
    name="explain",
    help="Say which parts of an input a model used: one interface over PyTorch and TensorFlow.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

# In the order of `explain --help`.
app.command("check-migration")(check_models)
app.command("gallery")(make_gallery)
app.command("methods")(list_methods)
app.command("models")(list_models)
app.command("attribute")(make_attribution)
app.command("compare")(compare_saved)
app.command("show")(draw_saved)


@app.callback(invoke_without_command=True)
def _main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    # Unless this variable is set, TensorFlow's C++ code logs information about the machine at every start.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # By default, idle threads of PyTorch spin, which makes small models many times slower on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        # If the terminal's encoding lacks a character such as ∞, print a question mark instead of failing.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if version:
        typer.echo(f"explain {metadata.version('explain-toolkit')}")
        raise typer.Exit
