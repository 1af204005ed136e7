"""The command line: the gallery, the catalogue, the seed models, attributions of them, and checks of migrations.

Nothing here is imported before a command needs it, so that `explain --help` waits for no framework.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

import explain
from explain.command_line.check_migration import check_migration
from explain.command_line.failure import errors_on_one_line, read_array
from explain.errors import OptionError

if TYPE_CHECKING:
    from explain.results.attribution import Attribution

app = typer.Typer(
    name="explain",
    help="Say which parts of an input a model used: one interface over PyTorch and TensorFlow.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

ModelName = Annotated[str, typer.Option("--model", "-m", help="A seed model; `explain models` lists them.")]
MethodName = Annotated[
    str, typer.Option("--method", help="A name or an alias; `explain methods` lists them.")
]

app.command("check-migration")(check_migration)


@app.callback(invoke_without_command=True)
def _main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    # TensorFlow's C++ side talks about the machine on every start; who wants that sets the variable.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # PyTorch's idle threads would otherwise spin, which on a busy machine slows small models many times over.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        # A terminal that has no sign for ∞ shows a question mark: a table must not end a command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if version:
        typer.echo(f"explain {explain.__version__}")
        raise typer.Exit


@app.command()
def gallery(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the page and the pictures.")] = Path(
        "gallery-out"
    ),
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="Only this model; may be repeated.")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option("--method", help="Only this method; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
) -> None:
    """Make the gallery: every seed model, every method, both frameworks, on one page; EfficientNet on another."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", style="dim"),
    )
    with errors_on_one_line(), Progress(*columns, console=Console(stderr=True)) as shown:
        from explain.gallery import generate

        task = shown.add_task("loading the frameworks", total=None)
        page = generate(
            out,
            models=model,
            methods=method,
            seed=seed,
            progress=lambda done, total, what: shown.update(
                task, completed=done, total=total, description=what
            ),
        )
    typer.echo(page)


@app.command()
def methods(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with every option.")] = False,
) -> None:
    """List the catalogue of methods."""
    if as_json:
        typer.echo(json.dumps([_method_fields(row) for row in explain.methods()], indent=2))
        return
    _print_table(
        ("method, aliases", "options", "summary"),
        [
            (
                "\n".join((f"[bold]{row.name}[/bold]", *row.aliases)),
                "\n".join(f"{option.name}={option.default}" for option in row.options),
                f"{row.summary} [dim]Family: {row.family}.[/dim]",
            )
            for row in explain.methods()
        ],
    )


@app.command()
def models() -> None:
    """List the seed models."""
    from explain.zoo.weight_files import read_metadata, shipped

    with errors_on_one_line():
        rows = []
        for name in explain.zoo.names():
            model = explain.zoo.seed_model(name)
            metadata = read_metadata(shipped(model, ".safetensors").read_bytes(), name)
            shapes = "\n".join(
                f"{framework} {'×'.join('any' if size is None else str(size) for size in shape)}"
                for framework, shape in model.example_shape.items()
            )
            accuracy = f"{100 * metadata['test_accuracy']:.2f} %\nin {model.native}"
            rows.append((f"[bold]{name}[/bold]", shapes, str(len(model.classes)), accuracy, model.summary))
    _print_table(("model", "one input", "classes", "accuracy", "summary"), rows)


@app.command()
def attribute(
    model: ModelName,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="A .npz file to keep the result, or a .png to see it.")
    ],
    framework: Annotated[str, typer.Option("--framework", "-f", help="torch or tensorflow.")] = "torch",
    method: MethodName = "integrated_gradients",
    target: Annotated[
        int | None, typer.Option(help="Class to explain; each input's predicted class if left out.")
    ] = None,
    score: Annotated[str, typer.Option(help="logit, probability, log_probability or output.")] = "logit",
    given: Annotated[
        Path | None,
        typer.Option("--input", help="A .npy batch in the model's layout, instead of its samples."),
    ] = None,
    count: Annotated[int, typer.Option(help="How many samples, if no input is given.", min=1)] = 8,
    option: Annotated[
        list[str] | None, typer.Option(help="An option of the method, as NAME=VALUE; may be repeated.")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Points in memory at once; the fastest number, found by trying, if left out."),
    ] = None,
    memory_budget: Annotated[
        int | None,
        typer.Option(help="Bytes that these points may need; a quarter of the free memory if left out."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
) -> None:
    """Explain a seed model on its samples, or on an input of your own."""
    with errors_on_one_line():
        if out.suffix not in (".npz", ".png"):
            raise OptionError(f"--out {out} ends in neither .npz (to keep the result) nor .png (to see it).")
        samples = explain.zoo.samples(model, framework)
        display, lengths = samples.display, samples.lengths
        if given is None:
            from dataclasses import replace

            x = samples.x[:count]
            display = replace(display, step_names=display.step_names[:count])
            lengths = None if lengths is None else lengths[:count]
        else:
            x, lengths = read_array(given), None
            display = explain.Display(display.mean, display.scale, display.bounds, display.classes)
        result = explain.attribute(
            explain.zoo.load(model, framework),
            x,
            method=method,
            target=target,
            score=score,
            lengths=lengths,
            batch_size=batch_size,
            memory_budget=memory_budget,
            seed=seed,
            display=display,
            **_options(option or []),
        )
        typer.echo(_write(result, out))


@app.command()
def compare(
    a: Annotated[
        Path, typer.Argument(help="A .npz file that `explain attribute` or Attribution.save wrote.")
    ],
    b: Annotated[Path, typer.Argument(help="Another, of the same inputs, targets and score.")],
) -> None:
    """Measure how alike two saved attributions are."""
    with errors_on_one_line():
        typer.echo(str(explain.compare(explain.load(a), explain.load(b))))


@app.command()
def show(
    saved: Annotated[
        Path, typer.Argument(help="A .npz file that `explain attribute` or Attribution.save wrote.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .png to write.")],
) -> None:
    """Draw a saved attribution."""
    with errors_on_one_line():
        if out.suffix != ".png":
            raise OptionError(f"--out {out} does not end in .png.")
        typer.echo(_write(explain.load(saved), out))


def _write(result: Attribution, out: Path) -> Path:
    """Write a result as the suffix says."""
    if out.suffix == ".npz":
        return result.save(out)
    from explain.files.atomic_write import replace_file

    out.parent.mkdir(parents=True, exist_ok=True)
    replace_file(out, explain.render.figure_png(result.plot()))
    return out


def _options(given: list[str]) -> Mapping[str, Any]:
    """Read NAME=VALUE, the value as JSON where it is, else as text."""
    options: dict[str, Any] = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals:
            raise OptionError(f"--option {one} is not NAME=VALUE, for example --option n_steps=20.")
        try:
            options[name] = json.loads(text)
        except ValueError:
            options[name] = text
    return options


def _method_fields(row: Any) -> dict[str, Any]:
    """Give a row of the catalogue as plain data."""
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
        # The last column is prose and gives way in a narrow terminal.
        table.add_column(name, no_wrap=name != header[-1])
    for row in rows:
        table.add_row(*row, end_section=True)
    Console().print(table)
