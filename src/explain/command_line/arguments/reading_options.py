"""The options that say how inputs are read from files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from explain.command_line.arguments.values import numbers_of, size_of

_OF_PICTURES = "How pictures become numbers (default: as the model or the files beside it say)"
_OF_FILES = "How other files are read"


@dataclass(frozen=True)
class ReadingOptions:
    """The options of a command that say how its inputs are read; None where one is left out."""

    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            help="imagenet, torch, tf, caffe or none; the options below change it.",
            rich_help_panel=_OF_PICTURES,
        ),
    ] = None
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="SIZE", help="224, or height,width.", rich_help_panel=_OF_PICTURES),
    ] = None
    resize: Annotated[
        str | None,
        typer.Option(
            "--resize", metavar="RULE", help="shorter, longer, stretch or none.", rich_help_panel=_OF_PICTURES
        ),
    ] = None
    resize_to: Annotated[
        str | None,
        typer.Option(
            "--resize-to",
            metavar="SIZE",
            help="The size before the crop, such as 256.",
            rich_help_panel=_OF_PICTURES,
        ),
    ] = None
    crop: Annotated[
        str | None,
        typer.Option("--crop", metavar="RULE", help="center or none.", rich_help_panel=_OF_PICTURES),
    ] = None
    divide_by: Annotated[
        float | None,
        typer.Option(
            "--divide-by",
            metavar="NUMBER",
            help="What the pixels, 0 to 255, are divided by.",
            rich_help_panel=_OF_PICTURES,
        ),
    ] = None
    mean: Annotated[
        str | None,
        typer.Option(
            "--mean",
            metavar="NUMBERS",
            help="Subtracted then: one, or one a channel.",
            rich_help_panel=_OF_PICTURES,
        ),
    ] = None
    std: Annotated[
        str | None,
        typer.Option(
            "--std",
            metavar="NUMBERS",
            help="Divided by then: one, or one a channel.",
            rich_help_panel=_OF_PICTURES,
        ),
    ] = None
    color: Annotated[
        str | None,
        typer.Option("--color", metavar="ORDER", help="rgb, bgr or grey.", rich_help_panel=_OF_PICTURES),
    ] = None
    channels_first: Annotated[
        bool | None,
        typer.Option(
            "--channels-first/--channels-last",
            help="The axes of pictures and sounds.",
            show_default=False,
            rich_help_panel=_OF_PICTURES,
        ),
    ] = None
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="KIND",
            help="picture, npy, npz, csv, parquet, text or sound, if the files do not tell.",
            rich_help_panel=_OF_FILES,
        ),
    ] = None
    array: Annotated[
        str | None,
        typer.Option(
            "--array", metavar="NAME", help="The one array of a .npz to take.", rich_help_panel=_OF_FILES
        ),
    ] = None
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            metavar="NAMES",
            help="The features of a table, between commas, in the model's order.",
            rich_help_panel=_OF_FILES,
        ),
    ] = None
    drop: Annotated[
        str | None,
        typer.Option(
            "--drop",
            metavar="NAMES",
            help="Columns that are no features, such as the label.",
            rich_help_panel=_OF_FILES,
        ),
    ] = None
    index: Annotated[
        str | None,
        typer.Option(
            "--index", metavar="NAME", help="The column that names the rows.", rich_help_panel=_OF_FILES
        ),
    ] = None
    series: Annotated[
        bool,
        typer.Option(
            "--series",
            help="Each table or array is one series, a row for each step.",
            rich_help_panel=_OF_FILES,
        ),
    ] = False
    series_by: Annotated[
        str | None,
        typer.Option(
            "--series-by",
            metavar="NAME",
            help="The column that tells the series of a table apart.",
            rich_help_panel=_OF_FILES,
        ),
    ] = None
    time: Annotated[
        str | None,
        typer.Option(
            "--time",
            metavar="NAME",
            help="The column of a series' times, which is no feature.",
            rich_help_panel=_OF_FILES,
        ),
    ] = None

    def settings(self) -> dict[str, Any]:
        """Give the stated options as arguments of `explain.preprocessing.read`."""
        stated = {
            "size": size_of("--size", self.size),
            "resize": self.resize,
            "resize_to": size_of("--resize-to", self.resize_to),
            "crop": self.crop,
            "divide_by": self.divide_by,
            "mean": numbers_of("--mean", self.mean),
            "std": numbers_of("--std", self.std),
            "color": self.color,
            "channels": None if self.channels_first is None else "first" if self.channels_first else "last",
            "format": self.file_format,
            "array": self.array,
            "columns": _names(self.columns),
            "drop": _names(self.drop),
            "index": self.index,
            "series": self.series_by or self.series or None,
            "time": self.time,
        }
        return {name: value for name, value in stated.items() if value is not None}


NO_OPTIONS = ReadingOptions()


def _names(text: str | None) -> list[str] | None:
    """Give names between commas."""
    return None if text is None else [name.strip() for name in text.split(",")]
