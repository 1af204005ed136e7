"""The meaning of an input's axes, and the canonical order in which two layouts can be compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from explain.errors import LayoutError, OptionError
from explain.inputs.naming.brief import brief

Array = npt.NDArray[Any]

ChannelOrder = Literal["first", "last"]

Kind = Literal["image", "volume", "sequence", "table"]
"""The kind of an example."""
KINDS: tuple[Kind, ...] = get_args(Kind)

_AXES = {
    "N": "batch",
    "C": "channels or features",
    "T": "time",
    "D": "depth",
    "H": "height",
    "W": "width",
}
_WHEN_CHANNELS_FIRST = {2: "NC", 3: "NCT", 4: "NCHW", 5: "NCDHW"}
_WHEN_CHANNELS_LAST = {2: "NC", 3: "NTC", 4: "NHWC", 5: "NDHWC"}


@dataclass(frozen=True)
class Layout:
    """The meaning of each axis, as letters: N batch, C channels or features, T time, D, H, W space.

    Parameters
    ----------
    axes : str
        One letter per axis, in order: ``"NCHW"``, ``"NHWC"``, ``"NTC"``, ``"TNC"``, ``"NC"``, ``"NHW"``…

    Raises
    ------
    LayoutError
        If a letter is unknown or repeated, or N is missing.

    Examples
    --------
    >>> Layout("NCHW").channel_axis, Layout("NCHW").spatial_axes
    (1, (2, 3))
    >>> Layout("TNC").batch_axis
    1
    """

    axes: str

    def __post_init__(self) -> None:
        """Check the letters."""
        if "N" not in self.axes or len(set(self.axes)) != len(self.axes) or set(self.axes) - set(_AXES):
            known = ", ".join(f"{letter} {meaning}" for letter, meaning in _AXES.items())
            raise LayoutError(
                f"layout={self.axes!r} is not a layout: give each axis of x one letter ({known}), "
                'each at most once and N among them, for example layout="NCHW".'
            )

    @property
    def words(self) -> str:
        """The axes in words.

        Examples
        --------
        >>> Layout("NTC").words
        'batch, time, channels or features'
        """
        return ", ".join(_AXES[letter] for letter in self.axes)

    @property
    def batch_axis(self) -> int:
        """Index of the batch axis."""
        return self.axes.index("N")

    @property
    def channel_axis(self) -> int | None:
        """Index of the channel (or feature) axis, None without one."""
        return self.axes.index("C") if "C" in self.axes else None

    @property
    def time_axis(self) -> int | None:
        """Index of the time axis, None without one."""
        return self.axes.index("T") if "T" in self.axes else None

    @cached_property
    def spatial_axes(self) -> tuple[int, ...]:
        """Indices of the spatial axes, in order."""
        return tuple(index for index, letter in enumerate(self.axes) if letter in "DHW")

    @cached_property
    def kind(self) -> Kind:
        """The kind of an example, by its axes."""
        spatial = len(self.spatial_axes)
        if "T" in self.axes:
            # The frames of a video form a volume.
            return "sequence" if spatial < 2 else "volume"
        if spatial == 0:
            return "table"
        return "image" if spatial == 2 else "volume"

    @property
    def batch_first(self) -> Layout:
        """The same layout with the batch axis moved to the front."""
        return self if self.axes[0] == "N" else Layout("N" + self.axes.replace("N", ""))

    def to_batch_first(self, array: Array) -> Array:
        """View `array` with its batch axis at the front."""
        return array if self.axes[0] == "N" else np.moveaxis(array, self.batch_axis, 0)

    def from_batch_first(self, array: Array) -> Array:
        """Undo `to_batch_first`."""
        return array if self.axes[0] == "N" else np.moveaxis(array, 0, self.batch_axis)

    def to_canonical(self, array: Array) -> Array:
        """View `array` batch first and channels last: (N, C), (N, T, C), (N, H, W, C) or (N, D, H, W, C).

        A missing channel axis is added with length 1, so that every canonical array has one.
        """
        array = self.to_batch_first(array)
        channel_axis = self.batch_first.channel_axis
        if channel_axis is None:
            return array[..., np.newaxis]
        # `numpy.moveaxis` takes ten times as long to find the same order.
        others = [axis for axis in range(array.ndim) if axis != channel_axis]
        return array.transpose(*others, channel_axis)

    def from_canonical(self, array: Array) -> Array:
        """Undo `to_canonical`.

        Examples
        --------
        >>> Layout("NCHW").from_canonical(np.zeros((2, 4, 5, 3))).shape
        (2, 3, 4, 5)
        >>> Layout("NT").from_canonical(np.zeros((2, 4, 1))).shape
        (2, 4)
        """
        channel_axis = self.batch_first.channel_axis
        array = array[..., 0] if channel_axis is None else np.moveaxis(array, -1, channel_axis)
        return self.from_batch_first(array)

    def check(self, array: Array) -> None:
        """Raise `LayoutError` unless `array` has as many axes as the layout has letters."""
        if array.ndim != len(self.axes):
            raise LayoutError(
                f"layout={self.axes!r} has {len(self.axes)} axes but x has shape {array.shape} "
                f"({array.ndim} axes). Give one letter per axis."
            )


@cache
def default_layout(ndim: int, channels: ChannelOrder) -> Layout:
    """Give the layout of an input of rank `ndim` in a framework whose channels come first or last.

    Raises
    ------
    LayoutError
        If there is no default layout for that rank.

    Examples
    --------
    >>> default_layout(4, "first").axes, default_layout(3, "last").axes
    ('NCHW', 'NTC')
    """
    usual = _WHEN_CHANNELS_FIRST if channels == "first" else _WHEN_CHANNELS_LAST
    if ndim not in usual:
        raise LayoutError(
            f"x has {ndim} {'axis' if ndim == 1 else 'axes'}, for which there is no default layout (they are "
            f"{', '.join(usual.values())}). Add the batch axis if it is missing, or say which axis is which "
            'with layout=, for example layout="NHW".'
        )
    return Layout(usual[ndim])


def layout_of(layout: str | Layout | None, default: Callable[[], Layout]) -> Layout:
    """Give the layout that the caller states, else the default one.

    Parameters
    ----------
    layout : str or Layout, optional
        One letter per axis.
    default : callable
        Gives the default layout for the model; called if none is stated.

    Raises
    ------
    OptionError
        If `layout` is of another type; a `LayoutError` if it has other letters.
    """
    if isinstance(layout, Layout):
        return layout
    if layout is None:
        return default()
    if not isinstance(layout, str):
        raise OptionError(
            f"layout={brief(layout)} is not a layout: give one letter per axis, for example layout='NCHW'."
        )
    return Layout(layout)
