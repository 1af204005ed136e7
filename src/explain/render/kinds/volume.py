"""Volumes and videos: the slices of each, along any axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.errors import RenderError
from explain.inputs.layout import Layout
from explain.render.drawn import Slices
from explain.results.attribution import Attribution
from explain.results.heatmap import ChannelRule, Floats, heatmaps
from explain.results.view import drawn_as

# Of volumes whose depth runs from foot to head, or from head to foot, whose height from front to back.
_PLANES = {"axial": "D", "coronal": "H", "sagittal": "W"}
# The order of the axes of a slice: the first is vertical.
_ORDER = "TDHW"


def most_relevant_slice(
    attribution: Attribution, *, channels: ChannelRule = "sum", plane: str | None = None
) -> npt.NDArray[np.intp]:
    """Find, for each volume, the slice with the largest sum of absolute heatmap values.

    Parameters
    ----------
    attribution : Attribution
        Of volumes, e.g. in layout ``"NCDHW"``, or of videos.
    channels : {"sum", "mean", "abs_sum", "abs_max"}
        See `explain.render.heatmaps`.
    plane : str, optional
        As for `explain.render.slice_volume`.

    Returns
    -------
    numpy.ndarray of int
        (N,), an index along the axis of `plane`; the first one if several slices have the same sum.

    Raises
    ------
    RenderError
        If the examples are not volumes, or have no such plane.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.zeros((1, 1, 3, 2, 2), np.float32)
    >>> values[0, 0, 2] = 1
    >>> most_relevant_slice(Attribution(values, values, "NCDHW", "saliency", np.ones(1)))
    array([2])
    """
    sums = _sums(attribution, axis_of(attribution, plane), channels)
    return np.asarray(sums.argmax(axis=1))


def slice_volume(
    attribution: Attribution, depth: int | npt.ArrayLike, *, plane: str | None = None
) -> Attribution:
    """Take one slice of each volume: an attribution of images that can be drawn and compared.

    Parameters
    ----------
    attribution : Attribution
        Of volumes, e.g. in layout ``"NCDHW"``, or of videos.
    depth : int or array_like of int
        Which slice: one for all, or one per example.
    plane : str, optional
        The axis to cut across, by its letter in the layout, such as ``"H"``; ``"axial"``, ``"coronal"`` and
        ``"sagittal"`` cut across D, H and W. By default depth or time.

    Returns
    -------
    Attribution
        In layout ``"NHWC"``; scores and deltas still refer to the whole volume.

    Raises
    ------
    RenderError
        If the examples are not volumes, have no such plane, or `depth` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.zeros((2, 1, 3, 4, 5), np.float32)
    >>> a = Attribution(values, values, "NCDHW", "saliency", np.ones(2))
    >>> slice_volume(a, 1).values.shape, slice_volume(a, 1, plane="coronal").values.shape
    ((2, 4, 5, 1), (2, 3, 5, 1))
    """
    axis = axis_of(attribution, plane)
    count, length = _along(attribution, axis, attribution.values).shape[:2]
    depths = np.asarray(depth)
    right_type = np.issubdtype(depths.dtype, np.integer) and depths.shape in ((), (count,))
    if not right_type or (depths < 0).any() or (depths >= length).any():
        raise RenderError(
            f"depth={depth!r} does not pick a slice: give an int from 0 to {length - 1}, or {count} of them, "
            "one per example."
        )
    depths = np.broadcast_to(depths, (count,))

    def cut(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.ascontiguousarray(_along(attribution, axis, array)[np.arange(count), depths])

    baseline = None if attribution.baseline is None else cut(attribution.baseline)
    return replace(
        attribution,
        values=cut(attribution.values),
        inputs=cut(attribution.inputs),
        baseline=baseline,
        mask=None,
        layout="NHWC",
    )


def chosen_slices(
    attribution: Attribution, *, plane: Any, slice: Any, slices: Any, channels: ChannelRule
) -> tuple[Attribution, Slices]:
    """Take the chosen slices of each volume, those of one volume below each other in one image.

    Raises
    ------
    RenderError
        If an argument is wrong.
    """
    axis = axis_of(attribution, plane)
    sums = _sums(attribution, axis, channels)
    count, length = sums.shape
    if slice is not None and slices is not None:
        raise RenderError(f"slice={slice!r} and slices={slices!r} are both given: give one of them.")
    if slices is not None and drawn_as(attribution) == "input":
        raise RenderError(
            f"slices={slices!r}: for an input that a maximization found one slice is drawn. Give slice= and plane=."
        )
    if slice is not None:
        places = np.full((count, 1), _one("slice", slice, length))
    elif slices is not None:
        places = np.tile(_several(slices, length), (count, 1))
    else:
        places = sums.argmax(axis=1)[:, np.newaxis]
    cuts = [slice_volume(attribution, column, plane=axis) for column in places.T]
    stacked = replace(
        cuts[0],
        values=np.concatenate([one.values for one in cuts], axis=1),
        inputs=np.concatenate([one.inputs for one in cuts], axis=1),
        baseline=None,
    )
    return stacked, Slices(axis, plane or axis, places, sums)


def check_no_slices(attribution: Attribution, **given: Any) -> None:
    """Raise `RenderError` if an argument that picks slices is given for inputs that have none."""
    for name, value in given.items():
        if value is not None:
            raise RenderError(
                f"{name}={value!r} picks slices of volumes, but the inputs have layout={attribution.layout!r}: leave "
                "it out."
            )


def _several(slices: Any, length: int) -> list[int]:
    """Give the indices of several slices: those given, or a number of evenly spaced ones."""
    if isinstance(slices, int | np.integer) and not isinstance(slices, bool):
        if not 1 <= slices <= length:
            raise RenderError(
                f"slices={slices!r} is not a number of slices from 1 to {length}: give how many evenly spaced ones, or "
                "a list of indices."
            )
        # In the middle of equal parts: the ends of a volume are often empty.
        return [int((place + 0.5) * length / slices) for place in range(int(slices))]
    if isinstance(slices, str) or not isinstance(slices, Sequence | np.ndarray) or len(slices) == 0:
        raise RenderError(
            f"slices={slices!r} is neither a number of slices nor a list of indices: give one, for example slices=5 "
            "or slices=[10, 20, 30]."
        )
    return [_one("slices", place, length) for place in slices]


def _one(name: str, place: Any, length: int) -> int:
    """Check the index of a slice."""
    is_int = isinstance(place, int | np.integer) and not isinstance(place, bool)
    if not is_int or not 0 <= place < length:
        raise RenderError(
            f"{name}={place!r} is not the index of a slice: give an int from 0 to {length - 1}."
        )
    return int(place)


def axis_of(attribution: Attribution, plane: Any) -> str:
    """Give the letter of the axis that a plane cuts across; by default depth or time.

    Examples
    --------
    >>> values = np.zeros((2, 1, 3, 4, 5), np.float32)
    >>> axis_of(Attribution(values, values, "NCDHW", "saliency", np.ones(2)), "coronal")
    'H'
    """
    layout = attribution.layout
    axes = [letter for letter in _ORDER if letter in layout]
    if len(axes) != 3:
        raise RenderError(
            f"layout={layout!r} has no slices: give an attribution of volumes, for example in layout 'NCDHW'."
        )
    if plane is None:
        return axes[0]
    known: dict[Any, str] = dict(zip(axes, axes, strict=True))
    if "T" not in axes:
        known |= _PLANES
    if not isinstance(plane, str) or plane not in known:
        raise RenderError(
            f"plane={plane!r} is not a plane of layout={layout!r}: give one of {', '.join(map(repr, known))}, the axis "
            "that slices cut across."
        )
    return known[plane]


def _along(attribution: Attribution, axis: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """View an array as (N, length, …, C), with `axis` second and the others in the order of slices."""
    letters = [letter for letter in Layout(attribution.layout).batch_first.axes if letter in _ORDER]
    wanted = [axis, *(letter for letter in _ORDER if letter in letters and letter != axis)]
    places = [1 + letters.index(letter) for letter in wanted]
    return Layout(attribution.layout).to_canonical(array).transpose(0, *places, 4)


def _sums(attribution: Attribution, axis: str, channels: ChannelRule) -> Floats:
    """Give the sum of absolute heatmap values of each slice, shape (N, length)."""
    maps = heatmaps(_along(attribution, axis, attribution.values), "NDHWC", channels=channels)
    return np.asarray(np.abs(maps).sum(axis=(2, 3)))
