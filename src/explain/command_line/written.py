"""What a command says of its results, and the folder that it writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape

from explain.command_line.command import say
from explain.command_line.outputs import is_folder, unused_folder, write_file, write_json
from explain.public_calls.progress import counted_each
from explain.public_calls.progress_bar import shown

if TYPE_CHECKING:
    from explain.results.attribution import Attribution

# More pictures than one looks at take minutes to draw: `explain show` draws the others.
MOST_PICTURES = 100
FOLDER = "explanation"
_SUFFIXES = ("png", "jpg", "jpeg", "webp", "npy", "csv", "parquet", "txt", "wav")


def report(result: Any, out: Path | None, *, as_json: bool, quiet: bool) -> None:
    """Write results to a file or a folder, and say what they are.

    Parameters
    ----------
    result : Attribution, or a tuple, list or dict of them
        What `explain.attribute` returned.
    out : pathlib.Path, optional
        Where to write. By default an unused folder; for JSON nothing is written.
    as_json : bool
        Whether to print JSON.
    quiet : bool
        Whether to print nothing but the names of the files.
    """
    results = dict(_named(result))
    if out is None and not as_json:
        out = unused_folder(FOLDER)
    with shown(False if quiet else None, "drawing"):
        files = [] if out is None else _write(results, out)
    if as_json:
        from explain.render.tables.summary import summary

        content = {name or "attribution": summary(one) for name, one in results.items()}
        typer.echo(
            json.dumps(
                {"results": content, "files": [str(path) for path in files]}, ensure_ascii=False, indent=2
            )
        )
        return
    if not quiet:
        for name, one in results.items():
            print_summary(name, one)
    if out is not None:
        typer.echo(out)


def _shown(write: Callable[[float], str], value: float | None) -> str:
    """Write a number of a summary for a reader."""
    return "–" if value is None else write(value)


def _named(result: Any) -> Iterator[tuple[str, Attribution]]:
    """Give results by the name of their input; an input without a result is left out."""
    if isinstance(result, Mapping):
        items = [(str(name), one) for name, one in result.items()]
    elif isinstance(result, tuple | list):
        items = [(str(index), one) for index, one in enumerate(result)]
    else:
        items = [("", result)]
    return ((name, one) for name, one in items if one is not None)


def _write(results: Mapping[str, Attribution], out: Path) -> list[Path]:
    """Write one file, or a folder whole."""
    if not is_folder(out):
        (only,) = results.values()
        shown = min(len(only), 8)
        if out.suffix.lower() != ".npz" and shown < len(only):
            say(
                f"{out} shows the first {shown} of {len(only)} examples: give a folder for a picture of each."
            )
        return [write_file(only, out)]
    from explain.files.atomic_write import replace_folder

    with replace_folder(out) as unfinished:
        for name, one in results.items():
            _write_one(one, unfinished, name)
        names = sorted(path.name for path in unfinished.iterdir())
    return [out / name for name in names]


def _write_one(attribution: Attribution, folder: Path, name: str) -> None:
    """Write one result: the file, its summary, and a picture of each example on one scale."""
    from explain.files.safe_names import safe_name
    from explain.render.drawn import common_scale
    from explain.render.tables.summary import summary
    from explain.results.names import example_name

    stem = safe_name(f"attribution-{name}" if name else "attribution")
    write_file(attribution, folder / f"{stem}.npz")
    count = min(len(attribution), MOST_PICTURES)
    if count < len(attribution):
        say(
            f"pictures are drawn of the first {count} of {len(attribution)} examples; explain show {stem}.npz "
            f"--examples {count} --out FILE.png draws another."
        )
    prefix = f"{name}-" if name else ""
    pictures: list[str] = []
    for index in range(count):
        pictures.append(safe_name(f"{prefix}{_without_suffix(example_name(attribution, index))}", pictures))
    scale = common_scale(attribution, count)
    for index, picture in enumerate(counted_each(pictures, "pictures")):
        write_file(attribution, folder / f"{picture}.png", attribution.plot(examples=index, scale=scale))
    content = summary(attribution)
    for index, row in enumerate(content["examples"]):
        row["picture"] = f"{pictures[index]}.png" if index < count else None
    write_json(folder / f"{stem}.json", content)


def _without_suffix(name: str) -> str:
    """Strip the suffix of a file from the name of an example: a.png of cat.jpg is not cat.jpg.png."""
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and suffix.lower() in _SUFFIXES else name


def print_summary(name: str, attribution: Attribution) -> None:
    """Print a line for each example: what is explained, its score, and how exact the explanation is."""
    from explain.command_line.listing import print_table
    from explain.render.tables.summary import summary
    from explain.results.names import framework_name, method_name, number, percent

    content = summary(attribution)
    typer.echo(
        f"{method_name(attribution.method)} of {attribution.model} ({framework_name(attribution.framework)})"
        + (f", input {name}" if name else "")
    )
    rows, most = content["examples"], 20
    header = ["example", "explains", attribution.score]
    if "predicted_class" in rows[0]:
        header.append("predicts")
    if "relative_delta" in rows[0]:
        header.append("relative delta")
    cells = []
    for row in rows[:most]:
        # Names come from files: they have no markup.
        line = [escape(row["name"]), escape(row["class"]), _shown(number, row["score"])]
        if "predicted_class" in row:
            line.append(escape(row["predicted_class"]))
        if "relative_delta" in row:
            line.append(_shown(percent, row["relative_delta"]))
        cells.append(tuple(line))
    print_table(tuple(header), cells, apart=False)
    if len(rows) > most:
        typer.echo(f"… and {len(rows) - most} more examples")
