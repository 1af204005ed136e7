"""The commands that list what one can choose from: methods, metrics, layers and models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from explain.command_line.arguments import shared_options as shared
from explain.command_line.arguments.reading_options import NO_OPTIONS, ReadingOptions
from explain.command_line.command import say

if TYPE_CHECKING:
    from explain.algorithms.method import Method, Option
    from explain.metrics.metric import Metric


METRICS_EXAMPLES = ("explain metrics", "explain metrics --json")
METHODS_EXAMPLES = ("explain methods", "explain methods --json")
LAYERS_EXAMPLES = (
    "explain layers model.keras",
    "explain layers nets.resnet:build cat.png --preset imagenet",
    "explain layers zoo:cifar_net@torch --json",
)
MODELS_EXAMPLES = ("explain models", "explain attribute zoo:cifar_net@torch --out samples.png")


def list_methods(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with every option.")] = False,
) -> None:
    """List the methods, with their short names and options."""
    from explain.algorithms.catalogue import methods

    rows = methods()
    if as_json:
        typer.echo(json.dumps([_method_fields(row) for row in rows], indent=2))
        return
    console = Console()
    for row in rows:
        # A block each: in a table, the longest names would leave the summaries a word a line in a narrow terminal.
        aliases = f" ({', '.join(row.aliases)})" if row.aliases else ""
        console.print(f"[bold]{row.name}[/bold]{escape(aliases)}", highlight=False)
        lines = [f"{escape(row.summary)} [dim]Family: {row.family}.[/dim]"]
        if row.options:
            lines.append(
                "--option " + escape(", ".join(f"{option.name}={option.default}" for option in row.options))
            )
        console.print(Padding("\n".join(lines), (0, 0, 1, 2)), highlight=False)


def list_metrics(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with every option.")] = False,
) -> None:
    """List the metrics, with what they need and their options."""
    from explain.metrics.catalogue import rows

    if as_json:
        typer.echo(json.dumps([_metric_fields(row) for row in rows()], indent=2))
        return
    console = Console()
    for row in rows():
        aliases = f" ({', '.join(row.aliases)})" if row.aliases else ""
        console.print(f"[bold]{row.name}[/bold]{escape(aliases)}", highlight=False)
        better = f"Better: {row.better}. " if row.better else ""
        needs = f" Needs: {', '.join(sorted(row.needs))}." if row.needs else ""
        lines = [f"{escape(row.summary)} [dim]{better}Family: {row.family}.{needs}[/dim]"]
        lines += [
            f"--metric-option {row.name}.{option.name}={escape(str(option.default))}"
            for option in row.options
        ]
        console.print(Padding("\n".join(lines), (0, 0, 1, 2)), highlight=False)


def list_layers(
    model: shared.ModelName = None,
    inputs: shared.Inputs = None,
    layout: shared.Layout = None,
    factory: shared.Factory = None,
    device: shared.Device = None,
    reading: ReadingOptions = NO_OPTIONS,
    as_json: shared.AsJson = False,
) -> None:
    """List the layers of a model, in the order of their calls, as `--layer` takes them."""
    from explain.command_line.arguments.given import given_inputs, given_model, named_or_old
    from explain.layer_table.listing import layers

    name, sources = named_or_old(model, inputs or [])
    opened = given_model(name, factory, device)
    x = None
    if sources or opened.seed_model:
        given = given_inputs(opened, sources, reading, count=1).in_layout(layout)
        x, layout = given.x, given.layout
    table = layers(opened.model, x, layout=layout)
    typer.echo(json.dumps(table.to_json(), ensure_ascii=False, indent=2) if as_json else str(table))


def list_models() -> None:
    """List the seed models that ship with the package."""
    from explain.zoo import names, seed_model
    from explain.zoo.weight_files import read_metadata, shipped

    rows = []
    for name in names():
        model = seed_model(name)
        metadata = read_metadata(shipped(model, ".safetensors").read_bytes(), name)
        shapes = "\n".join(
            f"{framework} {'×'.join('any' if size is None else str(size) for size in shape)}"
            for framework, shape in model.example_shape.items()
        )
        accuracy = f"{100 * metadata['test_accuracy']:.2f} %\nin {model.native}"
        rows.append((f"[bold]{name}[/bold]", shapes, str(len(model.classes)), accuracy, model.summary))
    print_table(("model", "one input", "classes", "accuracy", "summary"), rows)
    say("every command takes a seed model as zoo:NAME@torch or zoo:NAME@tensorflow.")


def _method_fields(row: Method) -> dict[str, Any]:
    """Give a row of the catalogue as data for JSON."""
    return {
        "name": row.name,
        "aliases": list(row.aliases),
        "family": row.family,
        "summary": row.summary,
        "paper": row.paper,
        "options": _option_fields(row.options),
    }


def _metric_fields(row: Metric) -> dict[str, Any]:
    return {
        "name": row.name,
        "aliases": list(row.aliases),
        "family": row.family,
        "summary": row.summary,
        "paper": row.paper,
        "better": row.better,
        "needs": sorted(row.needs),
        "options": _option_fields(row.options),
    }


def _option_fields(options: Sequence[Option]) -> list[dict[str, Any]]:
    return [
        {"name": o.name, "default": o.default, "expects": o.expects, "summary": o.summary} for o in options
    ]


def print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, apart: bool = True) -> None:
    """Print a table; its cells may have rich's markup, the last column wraps. Rows may be set `apart` by a line."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for name in header:
        # The last column is prose: only it wraps in a narrow terminal.
        table.add_column(name, no_wrap=name != header[-1])
    for row in rows:
        table.add_row(*row, end_section=apart)
    Console().print(table)
