"""The difference of two maps, drawn beside the maps on the same scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from explain.render.colours import Scale, shared_scale
from explain.render.drawn import Drawn
from explain.results.canonical_axes import canonical
from explain.results.heatmap import Floats, is_signed
from explain.results.view import View, step_names, view

# The factors by which a difference may be magnified. A difference has no scale of its own: on such a scale, the
# rounding of two equal models would look like a large difference.
MAGNIFICATIONS = (100, 10, 1)

# The axes of the maps of each view.
_LAYOUTS: dict[View, str] = {"image": "NHW", "rows": "NTC", "characters": "NT", "text": "NT", "table": "NC"}


def with_difference(drawn: Drawn) -> Drawn:
    """Add the difference of the two maps to a pair: the second less the first, or its size for maps without signs.

    Parameters
    ----------
    drawn : Drawn
        A pair with its labels.

    Returns
    -------
    Drawn
        The pair with a third map, and a label that states the magnification.

    Examples
    --------
    >>> from explain.results.attribution import Attribution
    >>> from explain.render.arguments import Choices, check_arguments
    >>> x = np.ones((1, 4, 4), np.float32)
    >>> a, b = (Attribution(size * x, x, "NHW", "saliency", np.ones(1)) for size in (1, 1.05))
    >>> pair = check_arguments([a, b], Choices())
    >>> with_difference(replace(pair, labels=("torch", "keras"))).labels
    ('torch', 'keras', 'difference × 10')
    """
    one, other = drawn.maps
    gap = other - one if is_signed(drawn.channels) else np.abs(other - one)
    times = _magnification(gap, drawn.examples, drawn.scales)
    gap = times * gap
    name = "difference" if is_signed(drawn.channels) else "|difference|"
    # Sequences and tables are drawn from attributions: make an attribution of the map, whose channels are merged.
    layout = _LAYOUTS[view(drawn.first)]
    values = np.nan_to_num(gap).astype(np.float32)
    inputs = canonical(drawn.first, drawn.first.inputs).astype(np.float32) if layout == "NC" else values
    # Token ids are the names of their steps; the inputs of the difference have none.
    display = replace(drawn.first.display, step_names=step_names(drawn.first))
    found = replace(drawn.first, values=values, inputs=inputs, layout=layout, baseline=None, display=display)
    return replace(
        drawn,
        maps=(one, other, gap),
        labels=(*drawn.labels, name if times == 1 else f"{name} × {times}"),
        difference=found,
    )


def _magnification(gap: Floats, examples: Sequence[int], scales: Sequence[Scale]) -> int:
    """Give the largest magnification at which the differences of all examples stay within their scales."""
    for times in MAGNIFICATIONS:
        sizes = [
            (shared_scale(gap[example], percentile=scale.percentile).vmax, scale.vmax)
            for example, scale in zip(examples, scales, strict=True)
        ]
        if all(times * size <= limit for size, limit in sizes):
            return times
    return MAGNIFICATIONS[-1]
