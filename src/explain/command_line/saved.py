"""The commands for saved results: `explain show` and `explain compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from explain.command_line.arguments import shared_options as shared
from explain.command_line.command import Quiet
from explain.errors import OptionError

SHOW_EXAMPLES = (
    "explain show results/attribution.npz",
    "explain show results/attribution.npz --examples 0,3 --out two.svg",
)
COMPARE_EXAMPLES = (
    "explain compare torch.npz keras.npz",
    "explain compare torch.npz keras.npz --out pair.png --json",
)

Picture = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="The .png, .svg or .pdf to draw.", show_default=False),
]
Saved = Annotated[
    Path,
    typer.Argument(metavar="SAVED", help="A .npz file that `explain attribute` or Attribution.save wrote."),
]


def draw_saved(
    saved: Saved,
    out: Picture = None,
    examples: Annotated[
        str | None,
        typer.Option(
            "--examples", metavar="NUMBERS", help="Which to draw, such as 0,3. Default: the first eight."
        ),
    ] = None,
    as_json: shared.AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say what a saved attribution explains, and draw it."""
    from explain.command_line.outputs import write_file
    from explain.command_line.written import print_summary
    from explain.results.attribution import load

    _check_picture(out)
    result = load(saved)
    if out is not None:
        write_file(result, out, result.plot(examples=_indices(examples)))
    if as_json:
        from explain.render.tables.summary import summary

        files = [] if out is None else [str(out)]
        content = {"results": {"attribution": summary(result)}, "files": files}
        typer.echo(json.dumps(content, ensure_ascii=False, indent=2))
        return
    if not quiet:
        print_summary("", result)
    if out is not None:
        typer.echo(out)


def compare_saved(
    a: Saved,
    b: Annotated[
        Path, typer.Argument(metavar="SAVED", help="Another, of the same inputs, targets and score.")
    ],
    out: Picture = None,
    as_json: shared.AsJson = False,
) -> None:
    """Measure how alike two saved attributions are, and draw them in pairs on one scale."""
    from explain.command_line.outputs import write_file
    from explain.render import plot_pair
    from explain.results.attribution import load
    from explain.results.comparison import compare

    _check_picture(out)
    one, other = load(a), load(b)
    comparison = compare(one, other)
    if as_json:
        typer.echo(json.dumps(comparison.to_json(), ensure_ascii=False, indent=2))
    else:
        typer.echo(str(comparison))
    if out is not None:
        write_file(one, out, plot_pair(one, other, comparison=comparison))
        if not as_json:
            typer.echo(out)


def _check_picture(out: Path | None) -> None:
    from explain.command_line.outputs import PICTURES

    if out is not None and out.suffix.lower() not in PICTURES:
        raise OptionError(f"--out {out} does not end in .png, .svg or .pdf: give the name of a picture.")


def _indices(text: str | None) -> Any:
    """Read the numbers of examples."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise OptionError(
            f"--examples {text} is not whole numbers between commas, for example --examples 0,3."
        ) from None
