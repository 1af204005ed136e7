"""The arguments of a figure, checked once for every kind of input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from explain.errors import RenderError
from explain.inputs.display import Display
from explain.inputs.layout import Layout
from explain.results.attribution import Attribution
from explain.results.comparison import Comparison
from explain.results.heatmap import ChannelRule, Floats, Scale, check_percentile, is_signed, shared_scale
from explain.results.view import maps_of

Grouping = Literal["shared", "panel", "example"]

_CHANNEL_WORDS = {
    "sum": "sum over",
    "mean": "mean over",
    "abs_sum": "sum of |values| over",
    "abs_max": "greatest |value| over",
}


@dataclass(frozen=True, eq=False)
class Drawn:
    """What a figure shows: one or two attributions, which of their examples, their maps and scales.

    Attributes
    ----------
    attributions : tuple of Attribution
        One, or the two of a pair.
    examples : tuple of int
        The examples shown, in order.
    maps : tuple of numpy.ndarray
        The maps of each attribution, (N, …), see `explain.results.view.maps_of`.
    scales : tuple of Scale
        One for each example shown.
    shared : bool
        Whether it is one and the same scale.
    channels : str
        The rule by which channels were merged.
    labels : tuple of str
        A name for each attribution of a pair.
    comparison : Comparison, optional
        How alike the two of a pair are.
    difference : Attribution, optional
        What is drawn beside a pair: the second less the first. Its maps are then the last of `maps`, its name the last
        of `labels`.
    """

    attributions: tuple[Attribution, ...]
    examples: tuple[int, ...]
    maps: tuple[Floats, ...]
    scales: tuple[Scale, ...]
    shared: bool
    channels: ChannelRule
    labels: tuple[str, ...] = ()
    comparison: Comparison | None = None
    difference: Attribution | None = None

    @property
    def panels(self) -> tuple[Attribution, ...]:
        """All that is drawn side by side."""
        return self.attributions if self.difference is None else (*self.attributions, self.difference)

    @property
    def first(self) -> Attribution:
        """The attribution that gives the inputs and the names."""
        return self.attributions[0]

    @property
    def notes(self) -> list[str]:
        """The warnings of all the attributions, each once."""
        return list(dict.fromkeys(note for one in self.attributions for note in one.notes))

    def shown_maps(self) -> list[Floats]:
        """Give every map that is drawn."""
        return [maps[example] for maps in self.maps for example in self.examples]

    def scale_words(self, merged: str = "") -> str:
        """Say what the colours mean; `merged` names what was merged (``"channels"``), if anything was."""
        clips = any(
            scale.extend(*(maps[example] for maps in self.maps)) != "neither"
            for scale, example in zip(self.scales, self.examples, strict=True)
        )
        words = ["attribution"]
        if merged and self._merges():
            words.append(f"{_CHANNEL_WORDS[self.channels]} {merged}")
        if clips:
            words.append(f"clipped at the {self.scales[0].percentile:g}th percentile")
        return ", ".join(words)

    def _merges(self) -> bool:
        """Whether there is more than one channel to merge."""
        return bool(Layout(self.first.layout).to_canonical(self.first.values).shape[-1] > 1)


def check_arguments(
    attributions: Sequence[Attribution],
    *,
    examples: int | Sequence[int] | None,
    display: Display | None,
    scale: Grouping | Scale,
    channels: ChannelRule,
    percentile: float,
    max_examples: int,
    groupings: tuple[Grouping, ...],
) -> Drawn:
    """Check the arguments of a figure and find its maps and scales.

    Raises
    ------
    RenderError
        Naming the argument that is wrong, its value, what is expected and what to do.
    """
    for attribution in attributions:
        check_attribution("attribution", attribution)
    if display is not None:
        if not isinstance(display, Display):
            raise RenderError(
                f"display={display!r} is a {type(display).__name__}: give an explain.Display, for example "
                "Display(mean=0.5, scale=0.5)."
            )
        attributions = [replace(one, display=display) for one in attributions]
    check_percentile(percentile)
    chosen = _check_examples(examples, len(attributions[0]), max_examples)
    maps = tuple(maps_of(one, channels) for one in attributions)
    scales, shared = _scales(maps, chosen, scale, channels, percentile, groupings)
    return Drawn(tuple(attributions), chosen, maps, scales, shared, channels)


def check_attribution(name: str, given: object) -> None:
    """Raise `RenderError` unless the argument called `name` is an `Attribution`."""
    if not isinstance(given, Attribution):
        raise RenderError(
            f"{name} is a {type(given).__name__}: give the Attribution that explain.attribute or "
            "explain.load returned (for a bare array, use explain.render.heatmaps and draw_heatmap)."
        )


def _scales(
    maps: tuple[Floats, ...],
    chosen: tuple[int, ...],
    scale: Grouping | Scale,
    channels: ChannelRule,
    percentile: float,
    groupings: tuple[Grouping, ...],
) -> tuple[tuple[Scale, ...], bool]:
    """Find one scale for all that is shown, or one for each example."""
    signed = is_signed(channels)
    if isinstance(scale, Scale):
        if scale.signed != signed:
            raise RenderError(
                f"scale={scale!r} is {'signed' if scale.signed else 'unsigned'} but channels={channels!r} "
                f"gives {'signed' if signed else 'unsigned'} maps: find the scale from maps of the same rule."
            )
        return (scale,) * len(chosen), True
    if scale not in groupings:
        raise RenderError(
            f"scale={scale!r} is not known: give {' or '.join(map(repr, groupings))}, or a Scale from "
            "explain.render.shared_scale."
        )
    if scale == "shared":
        one = shared_scale(*(m[e] for m in maps for e in chosen), signed=signed, percentile=percentile)
        return (one,) * len(chosen), True
    each = [shared_scale(*(m[e] for m in maps), signed=signed, percentile=percentile) for e in chosen]
    return tuple(each), False


def _check_examples(examples: Any, count: int, max_examples: Any) -> tuple[int, ...]:
    """Find the examples to show: those asked for, or the first ones."""
    if not isinstance(max_examples, int | np.integer) or isinstance(max_examples, bool) or max_examples < 1:
        raise RenderError(f"max_examples={max_examples!r} is not a whole number of at least 1.")
    if count == 0:
        raise RenderError("attribution has no examples: there is nothing to draw.")
    if examples is None:
        return tuple(range(min(count, int(max_examples))))
    asked = np.atleast_1d(np.asarray(examples))
    if asked.ndim != 1 or asked.size == 0 or not np.issubdtype(asked.dtype, np.integer):
        raise RenderError(
            f"examples={examples!r} is not an int or a list of int: give at least one, from 0 to {count - 1}."
        )
    outside = [int(one) for one in asked if not 0 <= one < count]
    if outside:
        raise RenderError(
            f"examples={examples!r} asks for {', '.join(map(str, outside))} but there are {count} examples: "
            f"give indices from 0 to {count - 1}."
        )
    return tuple(int(one) for one in asked)
