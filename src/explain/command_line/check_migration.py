"""The command `explain check-migration`."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from explain.command_line.array_file import read_array
from explain.command_line.failure import errors_on_one_line
from explain.errors import ExplainError, InputError, OptionError

if TYPE_CHECKING:
    from explain.inputs.display import Display
    from explain.models.opening import OpenedModel


def check_models(
    a: Annotated[
        str,
        typer.Argument(
            help="The original model: NAME@torch or NAME@tensorflow (a seed model), a .keras or .tflite file, a "
            "TorchScript .pt or .ts file, or MODULE:FUNCTION that builds it."
        ),
    ],
    b: Annotated[str, typer.Argument(help="The migrated model, named in the same ways.")],
    inputs: Annotated[
        Path | None,
        typer.Option("--inputs", help="A .npy batch as A takes it; the samples of a seed model if left out."),
    ] = None,
    inputs_b: Annotated[
        Path | None,
        typer.Option("--inputs-b", help="The same examples as B takes them, if it is not the same array."),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", help="A method whose maps are compared; may be repeated."),
    ] = None,
    target: Annotated[
        int | None, typer.Option(help="Class to explain; the class that A predicts if left out.")
    ] = None,
    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            help="How far apart a stage may be, as outputs=1e-3; also classes, layers, attributions. May be repeated."
        ),
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="The axes of A's inputs, for example NCHW, where they are not known.")
    ] = None,
    layout_b: Annotated[str | None, typer.Option(help="The axes of B's inputs.")] = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="A .json file for the report.")] = None,
    as_html: Annotated[
        Path | None, typer.Option("--html", help="A .html file for the report with the maps in pairs.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples in memory at once.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
) -> None:
    """Check that a migrated model gives the same outputs for the same reasons; exit with status 1 if it does not."""
    with errors_on_one_line(), _every_failure_is_status_two():
        from explain.migration.check import check_migration
        from explain.models.opening import opened_model

        one, other = opened_model(a), opened_model(b)
        x, display = _inputs_and_display(inputs, one)
        report = check_migration(
            one.model,
            other.model,
            x,
            None if inputs_b is None else read_array(inputs_b),
            methods=method or None,
            target=target,
            layout=layout,
            layout_b=layout_b,
            tolerances=_tolerances(tolerance or []),
            batch_size=batch_size,
            seed=seed,
            display=display,
        )
        typer.echo(str(report))
        for write, path in ((report.save, as_json), (report.to_html, as_html)):
            if path is not None:
                typer.echo(f"written: {write(path)}")
    if not report.passed:
        raise typer.Exit(1)


@contextmanager
def _every_failure_is_status_two() -> Iterator[None]:
    """Exit with status 2 on any other error too: status 1 means only that the models differ."""
    try:
        yield
    except ExplainError:
        raise
    except OSError as error:
        typer.echo(f"explain: {error}", err=True)
        raise typer.Exit(2) from error
    except Exception as error:
        traceback.print_exc()
        raise typer.Exit(2) from error


def _inputs_and_display(given: Path | None, first: OpenedModel) -> tuple[Any, Display | None]:
    """Give a batch, from a file or the samples of a seed model, and how to draw inputs of a seed model."""
    if not first.seed_model:
        if given is None:
            raise InputError(
                "--inputs is missing: give a .npy file with a batch of real inputs, as numpy.save writes it."
            )
        return read_array(given), None
    from explain.inputs.display import Display
    from explain.zoo import samples as read_samples

    samples = read_samples(first.seed_model, first.framework)
    known = samples.display
    # The names of steps belong to the samples: leave them out.
    display = Display(known.mean, known.scale, known.bounds, known.classes)
    return samples.x if given is None else read_array(given), display


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
