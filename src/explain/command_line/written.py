"""What a command says of its results, and the folder that it writes."""

from __future__ import annotations

import json
import math
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


def summary(attribution: Attribution) -> dict[str, Any]:
    """Give what an attribution says of each example, without its values, as plain data for JSON."""
    from explain.results.names import class_name, example_name

    predicted = attribution.predicted
    columns = ("delta", "relative_delta", "steps", "map_error")
    examples = []
    for index in range(len(attribution)):
        target = attribution.target[index] if attribution.target else None
        row: dict[str, Any] = {
            "name": example_name(attribution, index),
            "target": list(target) if isinstance(target, tuple) else target,
            "class": class_name(attribution, target),
            "score": _plain(attribution.scores[index]),
        }
        if predicted is not None:
            row["predicted"] = int(predicted[index])
            row["predicted_class"] = class_name(attribution, int(predicted[index]))
        for column in columns:
            if (array := getattr(attribution, column)) is not None:
                row[column] = _plain(array[index])
        examples.append(row)
    plain = ("method", "engine", "framework", "model", "layer", "score", "layout", "options", "seed")
    found = {name: getattr(attribution, name) for name in plain}
    found["options"] = json.loads(json.dumps(dict(attribution.options), default=str))
    return {
        **found,
        "shape": list(attribution.values.shape),
        "versions": dict(attribution.versions),
        "warnings": list(attribution.notes),
        "preprocessing": dict(attribution.display.preprocessing),
        "examples": examples,
    }


def _plain(number: Any) -> float | int | None:
    """Give a number as JSON can write it: what is not finite, such as a share of zero, is None."""
    value: float | int = number.item()
    return value if math.isfinite(value) else None


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
    scale = _common_scale(attribution, count)
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


def _common_scale(attribution: Attribution, count: int) -> Any:
    """Give one scale for the pictures of a folder, so that their colours mean the same."""
    from explain.render import shared_scale
    from explain.results.heatmap import is_signed
    from explain.results.view import default_channels, maps_of, view

    channels = default_channels([attribution])
    drawn = attribution.by_word() if view(attribution) == "text" else attribution
    return shared_scale(*maps_of(drawn, channels)[:count], signed=is_signed(channels))


def print_summary(name: str, attribution: Attribution) -> None:
    """Print a line for each example: what is explained, its score, and how exact the explanation is."""
    from explain.command_line.listing import print_table
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
