"""The command `explain check-migration`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from explain.command_line.arguments import shared_options as shared
from explain.command_line.arguments.reading_options import NO_OPTIONS, ReadingOptions
from explain.command_line.command import DIFFERENT, Quiet
from explain.errors import OptionError

CHECK_EXAMPLES = (
    "explain check-migration zoo:cifar_net@torch zoo:cifar_net@tensorflow --html report.html",
    "explain check-migration old.pt new.keras photos/ --preset imagenet --method gradcam --json report.json",
    "explain check-migration nets:build model.tflite --inputs x.npy --inputs-b x_nhwc.npy --tolerance outputs=1e-2",
)


def check_models(
    a: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help=f"The original model. {shared.MODEL_FORMS}",
            show_default=False,
            autocompletion=shared.complete_model,
        ),
    ],
    b: Annotated[
        str,
        typer.Argument(
            metavar="B",
            help="The migrated model, named in the same ways.",
            show_default=False,
            autocompletion=shared.complete_model,
        ),
    ],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT...",
            help=f"{shared.INPUT_FORMS} Default: the samples of a seed model.",
            show_default=False,
        ),
    ] = None,
    inputs: Annotated[
        str | None, typer.Option("--inputs", help="A file of inputs, as INPUT.", show_default=False)
    ] = None,
    inputs_b: Annotated[
        str | None,
        typer.Option("--inputs-b", help="The same examples as B takes them, if it is not the same array."),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            help="A method whose maps are compared; may be repeated.",
            autocompletion=shared.complete_method,
        ),
    ] = None,
    target: shared.Target = None,
    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            help="How far apart a stage may be, as outputs=1e-3; also classes, layers, attributions. May be repeated."
        ),
    ] = None,
    classes: shared.Classes = None,
    layout: Annotated[
        str | None, typer.Option(help="The axes of A's inputs, for example NCHW, where they are not known.")
    ] = None,
    layout_b: Annotated[str | None, typer.Option(help="The axes of B's inputs.")] = None,
    factory: Annotated[
        str | None, typer.Option("--factory", help="If A is weights: the function that builds their model.")
    ] = None,
    factory_b: Annotated[str | None, typer.Option("--factory-b", help="The same for B.")] = None,
    device: shared.Device = None,
    reading: ReadingOptions = NO_OPTIONS,
    as_json: Annotated[
        str | None,
        typer.Option("--json", help="A .json file for the report; - prints it instead of the table."),
    ] = None,
    as_html: Annotated[
        Path | None, typer.Option("--html", help="A .html file for the report with the maps in pairs.")
    ] = None,
    batch_size: shared.BatchSize = None,
    seed: shared.Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Check that a migrated model gives the same outputs for the same reasons; exit with status 1 if it does not."""
    from explain.command_line.arguments.given import given_inputs, given_model
    from explain.command_line.arguments.values import target_of
    from explain.migration.check import check_migration

    one, other = given_model(a, factory, device), given_model(b, factory_b, device)
    given = [*(sources or []), *([] if inputs is None else [inputs])]
    read = given_inputs(one, given, reading, classes=classes).in_layout(layout)
    read_b = None if inputs_b is None else given_inputs(other, [inputs_b], reading).in_layout(layout_b)
    report = check_migration(
        one.model,
        other.model,
        read.x,
        None if read_b is None else read_b.x,
        methods=method or None,
        target=target_of(target or []),
        layout=read.layout,
        layout_b=layout_b if read_b is None else read_b.layout,
        tolerances=_tolerances(tolerance or []),
        batch_size=batch_size,
        seed=seed,
        # The names of steps belong to the samples, which are longer than what is compared.
        display=replace(read.display, step_names=()),
        progress=False if quiet else None,
    )
    printed = as_json == "-"
    typer.echo(json.dumps(report.to_json(), ensure_ascii=False, indent=2) if printed else str(report))
    if as_json is not None and not printed:
        typer.echo(f"written: {report.save(as_json)}")
    if as_html is not None:
        typer.echo(f"written: {report.to_html(as_html)}", err=printed)
    if not report.passed:
        raise typer.Exit(DIFFERENT)


def _tolerances(given: list[str]) -> dict[str, float]:
    """Parse STAGE=NUMBER."""
    found = {}
    for one in given:
        name, _, text = one.partition("=")
        try:
            found[name] = float(text)
        except ValueError:
            raise OptionError(
                f"--tolerance {one} is not STAGE=NUMBER, for example --tolerance outputs=1e-3."
            ) from None
    return found
