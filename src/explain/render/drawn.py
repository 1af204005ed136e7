"""The content of a figure: attributions, examples, maps and scales, all checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from explain.algorithms.catalogue import methods
from explain.algorithms.example_warnings import examples_shortened
from explain.inputs.layout import Layout
from explain.render.colours import Scale, shared_scale
from explain.results.attribution import Attribution
from explain.results.comparison import Comparison
from explain.results.heatmap import ChannelRule, Floats, is_signed
from explain.results.view import default_channels, maps_of, view

# How sequences of numbers are drawn: a line for each channel, or steps by channels as a map.
SeriesStyle = Literal["lines", "map"]

# How a table is drawn: bars or a waterfall for each example, or a swarm or a bar for each feature.
TableKind = Literal["bars", "waterfall", "beeswarm", "importance"]

_CHANNEL_WORDS = {
    "sum": "sum over",
    "mean": "mean over",
    "abs_sum": "sum of |values| over",
    "abs_max": "greatest |value| over",
}
_TOKEN_WORDS = {
    "norm": "length of each token's vector",
    "sum": "sum over each token's vector",
    "mean": "mean over each token's vector",
    "max": "greatest |value| of each token's vector",
}
_OF_WHOLE_TOKENS = {row.name for row in methods() if row.family == "attention"}


@dataclass(frozen=True, eq=False)
class Slices:
    """Which slices of each volume are drawn.

    Attributes
    ----------
    axis : str
        The letter of the axis that they cut across.
    plane : str
        The plane as it was asked for; the letter of the axis if it was not.
    places : numpy.ndarray of int
        Their indices along the axis, shape (N, K).
    sums : numpy.ndarray of float64
        The sum of absolute heatmap values in each slice along the axis, shape (N, length).
    """

    axis: str
    plane: str
    places: npt.NDArray[np.intp]
    sums: Floats

    def remark(self, example: int) -> str:
        """Write where the slices of one example are."""
        length, count = self.sums.shape[1], self.places.shape[1]
        name = "frame" if self.axis == "T" else "slice" if self.plane == self.axis else f"{self.plane} slice"
        if count > 1:
            return f"{count} {name}s of {length}"
        # Without spaces where a line must not be broken.
        place = f"{self.axis} = {self.places[example, 0]} (0 to {length - 1})"
        return f"{name} {place.replace(' ', chr(0xA0))}"


@dataclass(frozen=True, eq=False)
class Drawn:
    """The content of a figure: one or two attributions, the examples to show, their maps and scales.

    Attributes
    ----------
    attributions : tuple of Attribution
        One attribution, or the two of a pair.
    examples : tuple of int
        The examples shown, in order.
    maps : tuple of numpy.ndarray
        The maps of each attribution, (N, …), see `explain.results.view.maps_of`.
    scales : tuple of Scale
        One for each example shown.
    shared : bool
        Whether all examples share one scale.
    channels : str
        The rule by which channels were merged.
    remarks : tuple of str
        One more line for the caption of each of the N examples, if any.
    labels : tuple of str
        A name for each attribution of a pair; empty for one attribution.
    comparison : Comparison, optional
        How similar the two of a pair are.
    difference : Attribution, optional
        The second attribution of a pair less the first, drawn beside them. The last of `maps` and the last of `labels`
        are then its map and its name.
    slices : Slices, optional
        Of volumes: which slices the maps have, those of one example below each other.
    title : str
        The caller's title, if any.
    series : {"lines", "map"}, optional
        How to draw series; None lets the number of channels decide.
    figsize : tuple of float, optional
        The width and the height that the caller wants, in inches.
    zoom : tuple of float
        How much wider and higher than usual panels are drawn.
    kind : {"bars", "waterfall", "beeswarm", "importance"}, optional
        The figure of a table; None for bars.
    max_features : int, optional
        How many features of a table are drawn one by one; None for the usual number.
    """

    attributions: tuple[Attribution, ...]
    examples: tuple[int, ...]
    maps: tuple[Floats, ...]
    scales: tuple[Scale, ...]
    shared: bool
    channels: ChannelRule
    remarks: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    comparison: Comparison | None = None
    difference: Attribution | None = None
    slices: Slices | None = None
    title: str = ""
    series: SeriesStyle | None = None
    figsize: tuple[float, float] | None = None
    zoom: tuple[float, float] = (1.0, 1.0)
    kind: TableKind | None = None
    max_features: int | None = None

    @property
    def panels(self) -> tuple[Attribution, ...]:
        """All attributions that are drawn side by side."""
        return self.attributions if self.difference is None else (*self.attributions, self.difference)

    @property
    def first(self) -> Attribution:
        """The attribution that supplies the inputs and the names."""
        return self.attributions[0]

    @property
    def notes(self) -> list[str]:
        """The warnings of all attributions, without duplicates."""
        return list(
            dict.fromkeys(examples_shortened(note) for one in self.attributions for note in one.notes)
        )

    def maps_of_example(self, example: int) -> list[Floats]:
        """Give every map of one example."""
        return [maps[example] for maps in self.maps]

    def shown_maps(self) -> list[Floats]:
        """Give every map that is drawn."""
        return [maps[example] for maps in self.maps for example in self.examples]

    def scale_words(self, merged: str = "") -> str:
        """Describe what the colours mean; `merged` names the merged axis (``"channels"``), if any was merged."""
        clips = any(
            scale.extend(*self.maps_of_example(example)) != "neither"
            for scale, example in zip(self.scales, self.examples, strict=True)
        )
        words = ["attribution"]
        # An attention belongs to a token, not to the values of its vector.
        if self.first.reduce and self.first.method not in _OF_WHOLE_TOKENS:
            words.append(_TOKEN_WORDS[self.first.reduce])
        if merged and self._merges():
            words.append(f"{_CHANNEL_WORDS[self.channels]} {merged}")
        if clips:
            words.append(f"clipped at the {self.scales[0].percentile:g}th percentile")
        return ", ".join(words)

    def _merges(self) -> bool:
        """Whether there is more than one channel to merge."""
        return bool(Layout(self.first.layout).to_canonical(self.first.values).shape[-1] > 1)


def common_scale(attribution: Attribution, count: int) -> Scale:
    """Give one scale for a picture of each of the first examples, so that their colours mean the same.

    Examples
    --------
    >>> values = np.array([[1.0, -3.0], [5.0, 0.0]], np.float32)
    >>> a = Attribution(values, values, "NC", "saliency", np.ones(2))
    >>> common_scale(a, 1).vmax, common_scale(a, 2).vmax
    (3.0, 5.0)
    """
    channels = default_channels([attribution])
    drawn = attribution.by_word() if view(attribution) == "text" else attribution
    return shared_scale(*maps_of(drawn, channels)[:count], signed=is_signed(channels))
