"""Files of every kind as the input of a model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import IO, Any

from explain.errors import OptionError
from explain.inputs.layout import ChannelOrder
from explain.inputs.readers.columns import Columns
from explain.inputs.readers.sources import Kind, Source, sources_of
from explain.preprocessing import by_kind
from explain.preprocessing.choice import chosen
from explain.preprocessing.geometry import Interpolation, Resize, Size
from explain.preprocessing.inputs_read import Inputs
from explain.preprocessing.settings import Color, Numbers
from explain.public_calls.callers_line import at_callers_line, warn_at_callers_line
from explain.public_calls.progress_bar import shown

_OF_TABLES = ("columns", "drop", "index", "series", "time")
_OF_PICTURES = (
    "preprocessing",
    "size",
    "resize",
    "resize_to",
    "crop",
    "interpolation",
    "fill",
    "divide_by",
    "mean",
    "std",
    "color",
    "channels",
)
# The options that files of a kind take.
_TAKEN: Mapping[str, tuple[str, ...]] = {
    "picture": _OF_PICTURES,
    "npy": (*_OF_PICTURES, "series"),
    "npz": (*_OF_PICTURES, "array"),
    "csv": _OF_TABLES,
    "parquet": _OF_TABLES,
    "text": (),
    "sound": ("channels",),
}


@at_callers_line
def read(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    model: Any = None,
    model_path: str | os.PathLike[str] | None = None,
    format: Kind | None = None,
    classes: Sequence[str] = (),
    preprocessing: Any = None,
    size: int | Size | None = None,
    resize: Resize | None = None,
    resize_to: int | Size | None = None,
    crop: str | None = None,
    interpolation: Interpolation | None = None,
    fill: float | None = None,
    divide_by: float | None = None,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    color: Color | None = None,
    channels: ChannelOrder | None = None,
    array: str | None = None,
    columns: Sequence[str] | None = None,
    drop: Sequence[str] | None = None,
    index: str | None = None,
    series: bool | str | None = None,
    time: str | None = None,
    standard_input: IO[bytes] | None = None,
) -> Inputs:
    """Read inputs from files: pictures, arrays, tables, series, texts or sounds.

    Nothing in a file is run or unpickled, and what a file declares to contain is checked before it is read.

    Parameters
    ----------
    sources : str, path, or sequence of them
        Files; folders, of which the files directly in them are read; globs such as ``"photos/*.png"``; ``"-"`` for
        standard input. All of one kind.
    model : object, optional
        The model, which may tell its preprocessing (see `of_model`), its size, its order of channels, and the columns
        that it was fitted on.
    model_path : str or path, optional
        The file that it was read from, beside which its settings may be.
    format : {"picture", "npy", "npz", "csv", "parquet", "text", "sound"}, optional
        What the files hold, if their suffixes and contents do not tell.
    classes : sequence of str
        The names of the model's outputs, for the result's `display`.
    preprocessing : Preprocessing, Mapping, str, or an object of another library, optional
        For pictures: settings, or the name of a preset (see `preset`); an image processor of transformers, or the
        ``transforms()`` of torchvision's weights; by default what the model tells.
    size, resize, resize_to, crop, interpolation, fill, divide_by, mean, std, color, channels : optional
        Single settings of `Preprocessing` that replace those; ``crop="none"`` for no crop. `channels` is also for
        sounds: (N, C, T) or (N, T, C), where one channel alone is else (N, T).
    array : str, optional
        For .npz files: the array to take alone.
    columns : sequence of str, optional
        For tables: the features, in the order that the model takes.
    drop : sequence of str, optional
        For tables: columns that are no features, such as the label.
    index : str, optional
        For tables: the column that names the rows.
    series : bool or str, optional
        True: each file is one series, a row for each step; a name: the column that tells the series of a file apart.
    time : str, optional
        For series: the column of times in seconds, or of dates, which is no feature.
    standard_input : binary stream, optional
        What ``"-"`` reads, by default the process's.

    Returns
    -------
    Inputs
        Its `x` for `explain.attribute`, and its `display`.

    Raises
    ------
    InputError
        If a file is missing, damaged, of no known kind or too large, or does not tell a batch of numbers; if neither
        the call nor the model says how pixels are scaled.
    OptionError
        If an option is unknown, or is not for files of this kind.
    PackageNotInstalledError
        If a package for this kind of file is not installed.

    Warns
    -----
    PreprocessingWarning
        If the first layers of the model take another range of pixels, or a file of 16 bits seems to use fewer.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("RGB", (640, 480), "red").save(pathlib.Path(folder) / "red.png")
    ...     inputs = read(folder, preprocessing="imagenet")
    >>> inputs
    Inputs(picture: (1, 3, 224, 224); layout NCHW; shorter side to 256, middle 224×224 cut out, / 255, ...)
    >>> inputs.display.example_names
    ('red.png',)
    """
    given = {
        name: value
        for name, value in {
            "preprocessing": preprocessing,
            "size": size,
            "resize": resize,
            "resize_to": resize_to,
            "crop": crop,
            "interpolation": interpolation,
            "fill": fill,
            "divide_by": divide_by,
            "mean": mean,
            "std": std,
            "color": color,
            "channels": channels,
            "array": array,
            "columns": columns,
            "drop": drop,
            "index": index,
            "series": series or None,
            "time": time,
        }.items()
        if value is not None
    }
    with shown(None, "read"):
        inputs = _read(sources_of(sources, format, standard_input), given, model, model_path, tuple(classes))
    for message, category in inputs.doubts:
        warn_at_callers_line([(message, category)])
    return inputs


def _read(
    found: Sequence[Source],
    given: Mapping[str, Any],
    model: Any,
    model_path: str | os.PathLike[str] | None,
    classes: tuple[str, ...],
) -> Inputs:
    kind = found[0].kind
    _check_options(given, kind, found[0].name)
    details: dict[str, Any] = {"classes": classes}
    of_pictures = {name: given[name] for name in _OF_PICTURES if name in given}
    choose = partial(chosen, of_pictures.pop("preprocessing", None), of_pictures, model, model_path)
    if kind == "picture":
        return by_kind.pictures(found, choose, **details)
    if kind == "sound":
        return by_kind.sounds(found, given.get("channels"), model, **details)
    if kind == "text":
        return by_kind.text(found, **details)
    columns = Columns(
        _features(given.get("columns"), model), tuple(given.get("drop", ())), given.get("index")
    )
    series, time = given.get("series"), given.get("time")
    if series is not None:
        return by_kind.series(found, columns, series if isinstance(series, str) else None, time, **details)
    if kind in ("npy", "npz"):
        prepared = any(name in given for name in _OF_PICTURES)
        return by_kind.arrays(found, given.get("array"), choose, prepared, **details)
    if time is not None:
        raise OptionError(
            f"time={time!r} is for series: say series=True, or series='...', the column that tells them apart."
        )
    return by_kind.table(found, columns, **details)


def _check_options(given: Mapping[str, Any], kind: Kind, name: str) -> None:
    for option, value in given.items():
        if option not in _TAKEN[kind]:
            kinds = [one for one, options in _TAKEN.items() if option in options]
            raise OptionError(
                f"{option}={value!r} is not for {name}, which is of kind {kind!r}, but for {', '.join(kinds)}. Leave "
                "it out."
            )
        if option in ("columns", "drop") and isinstance(value, str):
            raise OptionError(f"{option}={value!r} is a string: give a list of columns, [{value!r}].")


def _features(columns: Sequence[str] | None, model: Any) -> tuple[str, ...] | None:
    """Give the columns that the caller names, else those that an estimator was fitted on."""
    names = getattr(model, "feature_names_in_", None) if columns is None else columns
    return None if names is None else tuple(map(str, names))
