"""The command `explain`: its own options, and its commands from the other files of this folder.

A command imports its modules when it runs: `explain --help` imports no framework, no NumPy and no matplotlib.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated

import typer

from explain.command_line.attributions import (
    ATTRIBUTE_EXAMPLES,
    MAXIMIZE_EXAMPLES,
    make_attribution,
    make_maximization,
)
from explain.command_line.check_migration import CHECK_EXAMPLES, check_models
from explain.command_line.command import command
from explain.command_line.gallery import GALLERY_EXAMPLES, make_gallery
from explain.command_line.listing import (
    LAYERS_EXAMPLES,
    METHODS_EXAMPLES,
    METRICS_EXAMPLES,
    MODELS_EXAMPLES,
    list_layers,
    list_methods,
    list_metrics,
    list_models,
)
from explain.command_line.metrics import (
    BENCHMARK_EXAMPLES,
    EVALUATE_EXAMPLES,
    make_benchmark,
    make_evaluation,
)
from explain.command_line.reports import REPORT_EXAMPLES, make_report
from explain.command_line.saved import COMPARE_EXAMPLES, SHOW_EXAMPLES, compare_saved, draw_saved
from explain.version import VERSION

_EPILOG = (
    "[bold]Exit status[/bold]\n\n"
    "0 done · 1 a check found a difference · 2 a wrong call, file or model, with a sentence that says what to do · "
    "3 an unexpected error · 130 interrupted"
)

app = typer.Typer(
    name="explain",
    help="Say which parts of an input a model used: one interface over PyTorch and TensorFlow.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

# In the order of `explain --help`.
command(app, "attribute", ATTRIBUTE_EXAMPLES)(make_attribution)
command(app, "layers", LAYERS_EXAMPLES)(list_layers)
command(app, "maximize", MAXIMIZE_EXAMPLES)(make_maximization)
command(app, "compare", COMPARE_EXAMPLES)(compare_saved)
command(app, "check-migration", CHECK_EXAMPLES)(check_models)
command(app, "evaluate", EVALUATE_EXAMPLES)(make_evaluation)
command(app, "benchmark", BENCHMARK_EXAMPLES)(make_benchmark)
command(app, "report", REPORT_EXAMPLES)(make_report)
command(app, "show", SHOW_EXAMPLES)(draw_saved)
command(app, "gallery", GALLERY_EXAMPLES)(make_gallery)
command(app, "methods", METHODS_EXAMPLES)(list_methods)
command(app, "metrics", METRICS_EXAMPLES)(list_metrics)
command(app, "models", MODELS_EXAMPLES)(list_models)


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
        typer.echo(f"explain {VERSION}")
        raise typer.Exit
