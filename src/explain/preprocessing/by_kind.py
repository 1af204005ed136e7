"""A batch from the files of one kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from explain.backends.discovery import extension_for
from explain.errors import InputError, UnsupportedModelError
from explain.inputs.display import Display
from explain.inputs.layout import ChannelOrder
from explain.inputs.readers.array_files import read_npy, read_npz
from explain.inputs.readers.columns import Columns, rows_of
from explain.inputs.readers.limits import check_bytes
from explain.inputs.readers.pictures import Doubts, read_picture
from explain.inputs.readers.series import Series, padded, series_of
from explain.inputs.readers.sound import read_sound
from explain.inputs.readers.sources import Source
from explain.inputs.readers.tables import read_csv, read_parquet
from explain.inputs.readers.text_lines import read_lines
from explain.preprocessing.given_pictures import pictures_of
from explain.preprocessing.inputs_read import Inputs
from explain.preprocessing.settings import Preprocessing
from explain.public_calls.progress import counted_each

Choose = Callable[[], tuple[Preprocessing, Doubts]]


def pictures(sources: Sequence[Source], choose: Choose, **details: Any) -> Inputs:
    """Read pictures, each an example."""
    settings, doubts = choose()
    read = [
        (source.name, read_picture(source.opened(), source.name, doubts))
        for source in counted_each(sources, "pictures")
    ]
    return _of_pictures(settings.batch(read), settings, tuple(name for name, _ in read), doubts, details)


def arrays(
    sources: Sequence[Source], name: str | None, choose: Choose, prepared: bool, **details: Any
) -> Inputs:
    """Read arrays, each file a batch; pictures of uint8 are prepared as those from files of pictures.

    Parameters
    ----------
    sources : sequence of Source
        Files of kind ``"npy"`` or ``"npz"``.
    name : str, optional
        The array of an archive to take alone.
    choose : callable
        Gives the preprocessing.
    prepared : bool
        Whether the caller said how.
    **details
        Further arguments of `Display`.
    """
    files = [_arrays_of(source, name) for source in sources]
    joined = {
        key: _joined([(source.name, file.get(key)) for source, file in zip(sources, files, strict=True)])
        for key in files[0]
    }
    if len(joined) > 1:
        return Inputs(joined, Display(**details), "array")
    (x,) = joined.values()
    if x.dtype == np.uint8 and x.ndim == 4 and (x.shape[-1] in (1, 3, 4) or x.shape[1] in (1, 3)):
        settings, doubts = choose()
        return _of_pictures(settings.batch(pictures_of(x, doubts)), settings, (), doubts, details)
    if prepared:
        raise InputError(
            f"{sources[0].name} holds an array of shape {x.shape} and dtype {x.dtype}, which is the model's input as "
            "it is; settings for pictures are for files of pictures, and for arrays (N, H, W, 3) of dtype uint8. Leave "
            "them out."
        )
    return Inputs(x, Display(**details), "array")


def table(sources: Sequence[Source], columns: Columns, **details: Any) -> Inputs:
    """Read tables, each row an example."""
    parts = [rows_of(_frame(source), columns, source.name) for source in sources]
    features = parts[0].features
    for source, part in zip(sources, parts, strict=True):
        if part.features != features or part.values.shape[1] != parts[0].values.shape[1]:
            raise InputError(
                f"{sources[0].name} and {source.name} have different columns. Give files with the same ones, or name "
                "the features: columns=[...]."
            )
    names = tuple(name for part in parts for name in part.names) if all(part.names for part in parts) else ()
    display = Display(feature_names=features, example_names=names, **details)
    return Inputs(np.concatenate([part.values for part in parts]), display, "table", "NC")


def series(
    sources: Sequence[Source], columns: Columns, by: str | None, time: str | None, **details: Any
) -> Inputs:
    """Read series: each file one, or each value of a column."""
    if sources[0].kind == "npy":
        found = _series_of_arrays(sources)
    else:
        found = series_of([(source.name, _frame(source)) for source in sources], columns, by, time)
    display = Display(
        feature_names=found.features,
        example_names=found.names,
        sampling_rate=found.sampling_rate,
        **details,
    )
    return Inputs(found.values, display, "series", "NTC", found.lengths)


def text(sources: Sequence[Source], **details: Any) -> Inputs:
    """Read texts, each line an example."""
    lines, places = [], []
    for source in sources:
        more, names = read_lines(source.bytes(), source.name)
        lines += more
        places += names
    return Inputs(lines, Display(example_names=tuple(places), **details), "text")


def sounds(sources: Sequence[Source], channels: ChannelOrder | None, model: Any, **details: Any) -> Inputs:
    """Read sounds, each an example; shorter ones have zeros after their end."""
    parts, rates = [], []
    for source in sources:
        samples, rate = read_sound(source.opened(), source.name)
        parts.append(samples)
        rates.append(rate)
        if rate != rates[0] or samples.shape[1] != parts[0].shape[1]:
            raise InputError(
                f"{sources[0].name} has {parts[0].shape[1]} channels of {rates[0]:g} samples per second, and "
                f"{source.name} {samples.shape[1]} of {rate:g}. Convert them to those of the model: ffmpeg -i FILE -ar "
                "16000 -ac 1 out.wav."
            )
    x, lengths = padded(parts, sources[0].name)
    order = channels or _stated_order(model)
    display = Display(
        example_names=tuple(source.name for source in sources),
        sampling_rate=rates[0],
        bounds=(-1.0, 1.0),
        **details,
    )
    if x.shape[2] == 1 and order is None:
        return Inputs(np.ascontiguousarray(x[..., 0]), display, "sound", "NT", lengths)
    if order == "last":
        return Inputs(x, display, "sound", "NTC", lengths)
    return Inputs(np.ascontiguousarray(x.transpose(0, 2, 1)), display, "sound", "NCT", lengths)


def _of_pictures(
    x: Any, settings: Preprocessing, names: tuple[str, ...], doubts: Doubts, details: dict[str, Any]
) -> Inputs:
    display = settings.display(example_names=names, **details)
    return Inputs(x, display, "picture", settings.layout, preprocessing=settings, doubts=tuple(doubts))


def _frame(source: Source) -> Any:
    if source.kind == "parquet":
        return read_parquet(source.opened(), source.name)
    return read_csv(source.bytes(), source.name)


def _arrays_of(source: Source, name: str | None) -> dict[str, npt.NDArray[Any]]:
    """Give the arrays of one file by name; a .npy file's has none."""
    if source.kind == "npz":
        found = read_npz(source.opened(), source.name)
        if name is not None and name not in found:
            raise InputError(f"{source.name} has no array {name!r}; it has {', '.join(map(repr, found))}.")
        found = found if name is None else {name: found[name]}
    else:
        found = {"": _npy(source)}
    for key, array in found.items():
        if array.dtype.kind not in "biufc":
            raise InputError(
                f"{source.name}{f'[{key!r}]' if key else ''} has dtype {array.dtype}, and a model takes numbers. "
                "Encode them as for its training; texts for a model with a tokenizer go into a .txt file, one per line."
            )
    return found


def _npy(source: Source) -> npt.NDArray[Any]:
    if source.path is None:
        import io

        return read_npy(io.BytesIO(source.content), source.name, len(source.content))
    with source.path.open("rb") as stream:
        return read_npy(stream, source.name, source.path.stat().st_size)


def _joined(parts: Sequence[tuple[str, npt.NDArray[Any] | None]]) -> npt.NDArray[Any]:
    (first, whole), *_ = parts
    whole = cast("npt.NDArray[Any]", whole)
    for name, part in parts:
        if part is None or part.shape[1:] != whole.shape[1:] or not part.ndim or part.dtype != whole.dtype:
            has = "lacks an array of it" if part is None else f"has shape {part.shape} and dtype {part.dtype}"
            raise InputError(
                f"{first} has shape {whole.shape} and dtype {whole.dtype}, and {name} {has}: each file is a batch, and "
                "all are joined along the first axis. Give files of one shape; for one series (T, C) in each file say "
                "series=True."
            )
    if len(parts) == 1:
        return whole
    check_bytes(
        sum(part.nbytes for _, part in parts if part is not None),
        first,
        f"with the others, {len(parts)} arrays",
    )
    return np.concatenate([part for _, part in parts if part is not None])


def _series_of_arrays(sources: Sequence[Source]) -> Series:
    parts: list[npt.NDArray[np.float32]] = []
    for source in sources:
        array = _arrays_of(source, None)[""]
        if array.ndim != 2 or not array.size or array.shape[1] != (parts or [array])[0].shape[1]:
            raise InputError(
                f"{source.name} has shape {array.shape}: with series=True, each file is one series (T, C), and all "
                "have the same channels. Leave series out for a file that is a batch."
            )
        parts.append(array.astype(np.float32))
    values, lengths = padded(parts, sources[0].name)
    return Series(values, lengths, tuple(source.name for source in sources))


def _stated_order(model: Any) -> ChannelOrder | None:
    """Give where a model of sounds (T, C) has its channels; None for plain samples, or if it does not state it."""
    if model is None:
        return None
    try:
        extension = extension_for(model)
        shape = extension.stated_input_shape(model)
        if shape is None or len(shape) != 2:
            return None
        return "first" if extension.default_layout(model, 3).axes == "NCT" else "last"
    except (UnsupportedModelError, InputError):
        return None
