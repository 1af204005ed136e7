"""The arguments of a figure, checked once for every kind of input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from explain.errors import OptionError, RenderError
from explain.inputs.display import Display, display_of
from explain.render.colour_maps import own_colormap
from explain.render.colours import DEFAULT_PERCENTILE, Scale, check_percentile, shared_scale
from explain.render.drawn import Drawn, SeriesStyle, TableKind
from explain.render.parts.cells import merged_cells
from explain.results.attribution import Attribution
from explain.results.comparison import Comparison, compare
from explain.results.heatmap import ChannelRule, Floats, is_signed
from explain.results.view import maps_of, view

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

Grouping = Literal["shared", "panel", "example"]

# A longer series is drawn in fewer columns, of which each shows the value farthest from zero: its scale is found from
# such values, since the percentile of single steps would make every column as dark as its end.
SCALE_STEPS = 600
# In inches: a page that no screen or paper has would fill the memory.
_LONGEST_SIDE = 200.0


@dataclass(frozen=True)
class Choices:
    """The arguments of a figure as the caller passed them, not yet checked; see `explain.render.plot` for each."""

    examples: int | Sequence[int] | None = None
    max_examples: int = 8
    display: Display | Mapping[str, Any] | None = None
    scale: Grouping | Scale = "shared"
    channels: ChannelRule = "sum"
    percentile: float = DEFAULT_PERCENTILE
    cmap: str | Colormap | None = None
    title: str | None = None
    figsize: tuple[float, float] | None = None
    series: SeriesStyle | None = None
    kind: TableKind | None = None
    max_features: int | None = None


def check_arguments(
    attributions: Sequence[Attribution], choices: Choices, groupings: tuple[Grouping, ...] = ("shared",)
) -> Drawn:
    """Check the arguments of a figure and find its maps and scales.

    Parameters
    ----------
    attributions : sequence of Attribution
        One attribution, or the two of a pair.
    choices : Choices
        The arguments of the figure.
    groupings : tuple of str
        The texts that this figure accepts for ``scale``, besides a `Scale`.

    Returns
    -------
    Drawn
        The checked content of the figure.

    Raises
    ------
    RenderError
        With the name of the wrong argument, its value, the expected values and the next step.
    """
    for attribution in attributions:
        check_attribution("attribution", attribution)
    display = choices.display
    if display is not None:
        try:
            display = display_of(display)
        except OptionError as cause:
            raise RenderError(str(cause)) from cause
        attributions = [replace(one, display=display) for one in attributions]
    check_percentile(choices.percentile)
    chosen = _check_examples(choices.examples, len(attributions[0]), choices.max_examples)
    maps = tuple(maps_of(one, choices.channels) for one in attributions)
    scales, shared = _scales(_as_shown(attributions, maps), chosen, choices, groupings)
    if choices.cmap is not None:
        own = own_colormap(choices.cmap, signed=is_signed(choices.channels))
        scales = tuple(replace(scale, cmap=own) for scale in scales)
    return Drawn(
        tuple(attributions),
        chosen,
        maps,
        scales,
        shared,
        choices.channels,
        title=_check_title(choices.title),
        series=_check_series(choices.series, attributions),
        figsize=check_figsize(choices.figsize),
        kind=choices.kind,
        max_features=choices.max_features,
    )


def check_attribution(name: str, given: object) -> None:
    """Raise `RenderError` unless the argument called `name` is an `Attribution`."""
    if not isinstance(given, Attribution):
        raise RenderError(
            f"{name} is a {type(given).__name__}: give the Attribution that explain.attribute or "
            "explain.load returned (for a bare array, use explain.render.heatmaps and draw_heatmap)."
        )


def check_pair(
    a: Attribution, b: Attribution, labels: Any = None, comparison: Any = None
) -> tuple[Comparison, tuple[str, str]]:
    """Check two attributions, their names and their comparison; names and a comparison that are missing are added.

    Raises
    ------
    RenderError
        If `a` or `b` is no attribution, or `labels` or `comparison` does not belong to them.
    ComparisonError
        If the two explain different things.
    """
    check_attribution("a", a)
    check_attribution("b", b)
    if comparison is None:
        comparison = compare(a, b)
    elif not isinstance(comparison, Comparison) or len(comparison) != len(a):
        raise RenderError(
            f"comparison={comparison!r} does not belong to these {len(a)} examples: give the result of "
            "explain.compare(a, b), or leave it out."
        )
    names = comparison.labels if labels is None else labels
    if isinstance(names, str) or len(names) != 2 or not all(isinstance(name, str) for name in names):
        raise RenderError(f"labels={labels!r} does not name the two attributions: give two str.")
    return comparison, (names[0], names[1])


def check_figsize(figsize: Any) -> tuple[float, float] | None:
    """Check the size of a figure.

    Examples
    --------
    >>> check_figsize([8, 5])
    (8.0, 5.0)
    """
    if figsize is None:
        return None
    try:
        sides = np.asarray(figsize, np.float64)
    except (TypeError, ValueError):
        sides = np.zeros(0)
    if sides.shape != (2,) or not ((sides > 0) & (sides <= _LONGEST_SIDE)).all():
        raise RenderError(
            f"figsize={figsize!r} is not a width and a height: give two numbers of inches, each at most "
            f"{_LONGEST_SIDE:g}, for example figsize=(8, 5)."
        )
    return float(sides[0]), float(sides[1])


def _check_title(title: Any) -> str:
    """Give the title of the caller; empty if there is none."""
    if title is not None and not isinstance(title, str):
        raise RenderError(f"title={title!r} is a {type(title).__name__}: give a str.")
    return title or ""


def _check_series(series: Any, attributions: Sequence[Attribution]) -> SeriesStyle | None:
    """Check how to draw a series, and that it is one."""
    if series is None:
        return None
    if series not in get_args(SeriesStyle):
        raise RenderError(
            f"series={series!r} is not known: give 'lines' for a line for each channel, 'map' for steps by channels "
            "as a map, or leave it out."
        )
    if view(attributions[0]) != "rows":
        raise RenderError(
            f"series={series!r} is for sequences of numbers without step names, and this result is drawn as "
            f"{view(attributions[0])}: leave series= out."
        )
    chosen: SeriesStyle = series
    return chosen


def _as_shown(attributions: Sequence[Attribution], maps: tuple[Floats, ...]) -> tuple[Floats, ...]:
    """Give the maps from which scales are found: of long series, one value for each column that is drawn."""
    if view(attributions[0]) != "rows":
        return maps
    return tuple(merged_cells(one, (len(one), SCALE_STEPS)) for one in maps)


def _scales(
    maps: tuple[Floats, ...], chosen: tuple[int, ...], choices: Choices, groupings: tuple[Grouping, ...]
) -> tuple[tuple[Scale, ...], bool]:
    """Determine one scale for the whole figure, or one for each example."""
    scale, channels, percentile = choices.scale, choices.channels, choices.percentile
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
    """Give the examples to show: the caller's choice, or the first ones."""
    if not isinstance(max_examples, int | np.integer) or isinstance(max_examples, bool) or max_examples < 1:
        raise RenderError(f"max_examples={max_examples!r} is not a whole number of at least 1.")
    if count == 0:
        raise RenderError("attribution has no examples: there is nothing to draw.")
    if examples is None:
        return tuple(range(min(count, int(max_examples))))
    chosen = np.atleast_1d(np.asarray(examples))
    if chosen.ndim != 1 or chosen.size == 0 or not np.issubdtype(chosen.dtype, np.integer):
        raise RenderError(
            f"examples={examples!r} is not an int or a list of int: give at least one, from 0 to {count - 1}."
        )
    outside = [int(one) for one in chosen if not 0 <= one < count]
    if outside:
        raise RenderError(
            f"examples={examples!r} asks for {', '.join(map(str, outside))} but there are {count} examples: "
            f"give indices from 0 to {count - 1}."
        )
    return tuple(int(one) for one in chosen)
