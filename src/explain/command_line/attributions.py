"""The commands that make, compare and draw attributions: `explain attribute`, `compare` and `show`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from explain.command_line.array_file import read_array
from explain.command_line.failure import errors_on_one_line
from explain.errors import OptionError

if TYPE_CHECKING:
    from explain.results.attribution import Attribution

ModelName = Annotated[str, typer.Option("--model", "-m", help="A seed model; `explain models` lists them.")]
MethodName = Annotated[
    str, typer.Option("--method", help="A name or an alias; `explain methods` lists them.")
]


def make_attribution(
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
        typer.Option("--input", help="A .npy batch in the model's layout, instead of the model's samples."),
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
    from explain.api import attribute
    from explain.inputs.display import Display
    from explain.zoo import load
    from explain.zoo import samples as read_samples

    with errors_on_one_line():
        if out.suffix not in (".npz", ".png"):
            raise OptionError(f"--out {out} ends in neither .npz (to keep the result) nor .png (to see it).")
        samples = read_samples(model, framework)
        display, lengths = samples.display, samples.lengths
        if given is None:
            from dataclasses import replace

            x = samples.x[:count]
            display = replace(display, step_names=display.step_names[:count])
            lengths = None if lengths is None else lengths[:count]
        else:
            x, lengths = read_array(given), None
            display = Display(display.mean, display.scale, display.bounds, display.classes)
        result = attribute(
            load(model, framework),
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


def compare_saved(
    a: Annotated[
        Path, typer.Argument(help="A .npz file that `explain attribute` or Attribution.save wrote.")
    ],
    b: Annotated[Path, typer.Argument(help="Another, of the same inputs, targets and score.")],
) -> None:
    """Measure how alike two saved attributions are."""
    from explain.results.attribution import load
    from explain.results.comparison import compare

    with errors_on_one_line():
        typer.echo(str(compare(load(a), load(b))))


def draw_saved(
    saved: Annotated[
        Path, typer.Argument(help="A .npz file that `explain attribute` or Attribution.save wrote.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .png to write.")],
) -> None:
    """Draw a saved attribution."""
    from explain.results.attribution import load

    with errors_on_one_line():
        if out.suffix != ".png":
            raise OptionError(f"--out {out} does not end in .png.")
        typer.echo(_write(load(saved), out))


def _write(result: Attribution, out: Path) -> Path:
    """Save a result as .npz, or draw it as .png, by the suffix of the path."""
    if out.suffix == ".npz":
        return result.save(out)
    from explain.files.atomic_write import replace_file
    from explain.render import figure_png

    out.parent.mkdir(parents=True, exist_ok=True)
    replace_file(out, figure_png(result.plot()))
    return out


def _options(given: list[str]) -> Mapping[str, Any]:
    """Parse NAME=VALUE: the value as JSON if it is valid JSON, else as text."""
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
