"""A result as a data frame, as a labelled array, and as plain data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from explain.errors import InputError, PackageNotInstalledError
from explain.inputs.display import Display
from explain.inputs.layout import Layout
from explain.inputs.text.tokens import Text
from explain.public_calls.callers_line import at_callers_line

if TYPE_CHECKING:
    import pandas
    import xarray

Array = npt.NDArray[Any]

# A data frame of more rows takes many gigabytes.
MOST_ROWS = 20_000_000

_BY_EXAMPLE = ("predicted", "delta", "relative_delta", "steps", "map_error")
_AXES = {"N": "example", "T": "step", "D": "depth", "H": "height", "W": "width"}


class Exports:
    """The methods of an attribution that give it in the form of another library."""

    @at_callers_line
    def to_dataframe(self) -> pandas.DataFrame:
        """Give a tidy `pandas.DataFrame`: one row for each value, with its input and its names.

        Returns
        -------
        pandas.DataFrame
            Columns, where the result has them: ``example`` (its index) and ``example_name``; ``target``, by name where
            the classes are known; ``step`` (its index) with ``token`` or ``step_name`` and ``seconds``; ``feature`` (of
            a table) or ``channel``, by name where names are known; ``depth``, ``height`` and ``width``, the indices of
            a position; ``input``; ``value``. Padding has no rows.

            A picture (N, C, H, W) thus gives a row for each channel of each pixel: N · C · H · W rows. For one number
            a pixel, see `explain.render.heatmaps`.

        Raises
        ------
        PackageNotInstalledError
            If pandas is not installed.
        InputError
            If there would be more than 20 million rows.

        Examples
        --------
        >>> import numpy as np, explain
        >>> x = np.array([[1.0, 2.0]], np.float32)
        >>> a = explain.Attribution(values=2 * x, inputs=x, layout="NC", method="saliency", scores=np.ones(1))
        >>> a.with_display(feature_names=("age", "income")).to_dataframe()
           example feature  input  value
        0        0     age    1.0    2.0
        1        0  income    2.0    4.0
        """
        given = _Given(**{name: vars(self)[name] for name in _Given.__annotations__})
        with imported("to_dataframe", "pandas", "tables"):
            import pandas
        size = given.values.size
        if size > MOST_ROWS:
            raise InputError(
                f"values have shape {given.values.shape}: a data frame would have {size:,} rows. Give a part, such as "
                "a[:10].to_dataframe(), or use to_xarray(), which takes no more memory than the values."
            )
        return pandas.DataFrame(_columns(given))

    @at_callers_line
    def to_xarray(self) -> xarray.DataArray:
        """Give the values as an `xarray.DataArray`, whose axes and positions have names.

        Returns
        -------
        xarray.DataArray
            The dimensions, in the order of the layout: ``example``, ``channel`` (``feature`` of a table), ``step``,
            ``depth``, ``height``, ``width``. Coordinates: the names of examples, features and steps, seconds where the
            sampling rate is known; ``input``, ``target``, ``score_value``, ``mask`` and the other numbers of each
            example. Attributes: method, model, framework, score, layer and options, as plain data.

        Raises
        ------
        PackageNotInstalledError
            If xarray is not installed.

        Examples
        --------
        >>> import numpy as np, explain
        >>> x = np.array([[1.0, 2.0]], np.float32)
        >>> a = explain.Attribution(values=2 * x, inputs=x, layout="NC", method="saliency", scores=np.ones(1))
        >>> labelled = a.with_display(feature_names=("age", "income")).to_xarray()
        >>> labelled.dims, labelled.sel(feature="income").item()
        (('example', 'feature'), 4.0)
        """
        fields = vars(self)
        given = _Given(**{name: fields[name] for name in _Given.__annotations__})
        with imported("to_xarray", "xarray", "xarray"):
            import xarray
        coordinates = _coordinates(given)
        for name in _BY_EXAMPLE:
            if fields[name] is not None and len(fields[name]) == given.count:
                coordinates[name] = (("example", *_further(name, fields[name])), fields[name])
        plain = ("method", "engine", "framework", "model", "layer", "score", "seed", "input_name")
        attributes = {name: fields[name] for name in plain if fields[name] != ""}
        attributes["options"] = plain_data(fields["options"])
        return xarray.DataArray(
            given.values, dims=given.names, coords=coordinates, name="attribution", attrs=attributes
        )

    @at_callers_line
    def to_dict(self) -> dict[str, Any]:
        """Give every field as plain data, which `json.dumps` takes: arrays as lists, NaN and infinity as text.

        Examples
        --------
        >>> import json, numpy as np, explain
        >>> x = np.array([[1.0, 2.0]], np.float32)
        >>> a = explain.Attribution(values=2 * x, inputs=x, layout="NC", method="saliency", scores=np.ones(1))
        >>> json.loads(json.dumps(a.to_dict()))["values"]
        [[2.0, 4.0]]
        """
        fields = vars(self)
        special = {
            "display": fields["display"].to_json(),
            "texts": [text.to_json() for text in fields["texts"]],
        }
        return {name: plain_data(one) for name, one in {**fields, **special}.items()}


@dataclass(frozen=True)
class _Given:
    """The fields of an attribution that label its values."""

    values: Array
    inputs: Array
    layout: str
    scores: Array
    target: tuple[Any, ...]
    mask: Array | None
    display: Display
    texts: tuple[Text, ...]

    @property
    def axes(self) -> Layout:
        return Layout(self.layout)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the axes, in the order of the layout."""
        channel = "feature" if self.axes.kind == "table" else "channel"
        return tuple(_AXES.get(letter, channel) for letter in self.layout)

    @property
    def count(self) -> int:
        return int(self.values.shape[self.axes.batch_axis])

    @property
    def channels(self) -> Sequence[Any]:
        """The names of features or channels, else their indices."""
        axis = self.axes.channel_axis
        assert axis is not None
        length = self.values.shape[axis]
        names = self.display.feature_names
        return names if len(names) == length else range(length)

    @property
    def targets(self) -> list[Any]:
        """The targets of the examples, by name where the classes are known; empty if there are none."""
        if len(self.target) != self.count or set(self.target) == {None}:
            return []
        classes = self.display.classes

        def named(target: Any) -> Any:
            known = isinstance(target, int | np.integer) and 0 <= target < len(classes)
            return classes[target] if known else target

        return [named(target) for target in self.target]

    @property
    def real(self) -> npt.NDArray[np.bool_] | None:
        """Whether each step of each example, (N, T), is real; None where there is no padding."""
        axis = self.axes.time_axis
        if axis is None:
            return None
        real = (
            np.ones((self.count, self.values.shape[axis]), bool) if self.mask is None else np.array(self.mask)
        )
        for row, text in enumerate(self.texts):
            kinds = [token.kind != "padding" for token in text.tokens]
            real[row, : len(kinds)] &= kinds
            real[row, len(kinds) :] = False
        return None if real.all() else real

    def step_names(self) -> Array | None:
        """The names of the steps of each example, (N, T), empty where there is none; None without names."""
        of_texts = tuple(tuple(token.name for token in text.tokens) for text in self.texts)
        given, axis = self.display.step_names or of_texts, self.axes.time_axis
        if axis is None or not given:
            return None
        length = self.values.shape[axis]
        named = np.full((self.count, length), "", object)
        for row, names in enumerate(given[: self.count]):
            places = np.arange(length)
            if self.mask is not None and len(names) == self.mask[row].sum():
                places = np.flatnonzero(self.mask[row])
            for place, name in zip(places, names, strict=False):
                named[row, place] = name
        return named


def _columns(given: _Given) -> dict[str, Any]:
    """Give the columns of the data frame, each with a row for each value that is not padding."""
    layout = given.axes.batch_first
    shape = given.axes.to_batch_first(given.values).shape
    real = None
    if given.real is not None:
        assert layout.time_axis is not None
        real = _along(given.real, (0, layout.time_axis), shape).ravel()

    def column(labels: Any, *axes: int) -> Array:
        spread = _along(np.asarray(labels), axes, shape).ravel()
        return spread if real is None else spread[real]

    columns: dict[str, Any] = {"example": column(np.arange(given.count), 0)}
    if len(given.display.example_names) == given.count:
        columns["example_name"] = column(given.display.example_names, 0)
    if given.targets:
        targets = np.empty(given.count, object)
        targets[:] = given.targets
        columns["target"] = column(targets if _are_mixed(given.targets) else np.asarray(given.targets), 0)
    for axis, letter in enumerate(layout.axes[1:], 1):
        if letter == "C":
            columns["feature" if layout.kind == "table" else "channel"] = column(given.channels, axis)
            continue
        columns[_AXES[letter]] = column(np.arange(shape[axis]), axis)
        names = given.step_names() if letter == "T" else None
        if names is not None:
            is_token = bool(given.texts) and not given.display.step_names
            columns["token" if is_token else "step_name"] = column(names, 0, axis)
        if letter == "T" and given.display.sampling_rate:
            columns["seconds"] = column(np.arange(shape[axis]) / given.display.sampling_rate, axis)
    for name, array in (("input", given.inputs), ("value", given.values)):
        columns[name] = column(given.axes.to_batch_first(array), *range(len(shape)))
    return columns


def _coordinates(given: _Given) -> dict[str, Any]:
    """Give the labels of the positions of the values, each with its dimensions."""
    coordinates: dict[str, Any] = {"input": (given.names, given.inputs)}
    names = given.display.example_names
    coordinates["example"] = list(names) if len(names) == given.count else np.arange(given.count)
    if given.axes.channel_axis is not None:
        coordinates[given.names[given.axes.channel_axis]] = list(given.channels)
    axis = given.axes.time_axis
    if axis is not None:
        steps = np.arange(given.values.shape[axis])
        coordinates["step"] = steps
        if given.display.sampling_rate:
            coordinates["seconds"] = ("step", steps / given.display.sampling_rate)
        step_names = given.step_names()
        if step_names is not None:
            is_token = bool(given.texts) and not given.display.step_names
            coordinates["token" if is_token else "step_name"] = (("example", "step"), step_names)
        if given.real is not None:
            coordinates["mask"] = (("example", "step"), given.real)
    if given.targets:
        targets = np.empty(given.count, object)
        targets[:] = given.targets
        coordinates["target"] = (
            "example",
            targets if _are_mixed(given.targets) else np.asarray(given.targets),
        )
    coordinates["score_value"] = ("example", np.asarray(given.scores))
    return coordinates


def _further(name: str, array: Array) -> tuple[str, ...]:
    """Name the axes of a number of each example after the first, as of the classes that a model predicts for steps."""
    return tuple(f"{name}_axis_{axis}" for axis in range(1, np.ndim(array)))


def _are_mixed(targets: Sequence[Any]) -> bool:
    """Whether targets are not all numbers or all texts, so that NumPy would turn them into something else."""
    kinds = {
        str if isinstance(one, str) else int if isinstance(one, int | np.integer) else object
        for one in targets
    }
    return len(kinds) > 1 or object in kinds


def _along(labels: Array, axes: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    """Spread labels of some axes over all axes."""
    own = [labels.shape[axes.index(axis)] if axis in axes else 1 for axis in range(len(shape))]
    return np.broadcast_to(labels.reshape(own), shape)


def plain_data(value: Any) -> Any:
    """Give a value as plain data for JSON; an object of another kind as its text.

    Examples
    --------
    >>> plain_data({"a": np.array([1.5, np.nan]), "b": (np.int64(3), None)})
    {'a': [1.5, 'nan'], 'b': [3, None]}
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain_data(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_data(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


@contextmanager
def imported(method: str, package: str, extra: str) -> Iterator[None]:
    """Say how to install a package that cannot be imported."""
    try:
        yield
    except ImportError as cause:
        raise PackageNotInstalledError(
            f"a.{method}() needs {package}, which cannot be imported ({cause}): run pip install "
            f'"explain-toolkit[{extra}]".'
        ) from cause
