"""The commands `explain methods` and `explain models`: the methods and models to choose from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from explain.command_line.failure import errors_on_one_line

if TYPE_CHECKING:
    from explain.algorithms.method import Method


def list_methods(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with every option.")] = False,
) -> None:
    """List the catalogue of methods."""
    from explain.algorithms.catalogue import methods

    rows = methods()
    if as_json:
        typer.echo(json.dumps([_method_fields(row) for row in rows], indent=2))
        return
    _print_table(
        ("method, aliases", "options", "summary"),
        [
            (
                "\n".join((f"[bold]{row.name}[/bold]", *row.aliases)),
                "\n".join(f"{option.name}={option.default}" for option in row.options),
                f"{row.summary} [dim]Family: {row.family}.[/dim]",
            )
            for row in rows
        ],
    )


def list_models() -> None:
    """List the seed models."""
    from explain.zoo import names, seed_model
    from explain.zoo.weight_files import read_metadata, shipped

    with errors_on_one_line():
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
    _print_table(("model", "one input", "classes", "accuracy", "summary"), rows)


def _method_fields(row: Method) -> dict[str, Any]:
    """Give a row of the catalogue as data for JSON."""
    return {
        "name": row.name,
        "aliases": list(row.aliases),
        "family": row.family,
        "summary": row.summary,
        "paper": row.paper,
        "options": [
            {"name": o.name, "default": o.default, "expects": o.expects, "summary": o.summary}
            for o in row.options
        ],
    }


def _print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for name in header:
        # The last column is prose: only it wraps in a narrow terminal.
        table.add_column(name, no_wrap=name != header[-1])
    for row in rows:
        table.add_row(*row, end_section=True)
    Console().print(table)
