"""A sequence of letters that was found: which letters each step wants most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explain.attribution import Attribution
from explain.layout import Layout
from explain.render.contrast import text_color
from explain.render.heatmap import Scale
from explain.render.names import number
from explain.render.sequence import visible
from explain.zoo.preprocessing import ALPHABET


@dataclass(frozen=True)
class Letter:
    """A letter, how much it is wanted, and the two colours that say so."""

    name: str
    value: str
    background: str
    ink: str


def wanted_letters(attribution: Attribution, example: int, most: int = 3) -> tuple[tuple[Letter, ...], ...]:
    """Give the letters with the greatest values at each step of a one-hot sequence that was found.

    Parameters
    ----------
    attribution : Attribution
        Of activation maximization, on sequences over the alphabet of `explain.zoo`.
    example : int
        Which one.
    most : int
        How many letters of each step.

    Returns
    -------
    tuple of tuple of Letter
        By step, the most wanted first.

    Examples
    --------
    >>> found = np.zeros((1, 2, len(ALPHABET)), np.float32)
    >>> found[0, 0, 0], found[0, 1, 1] = 1, 1
    >>> a = Attribution(found, found, "NTC", "activation_maximization", np.ones(1))
    >>> [step[0].name for step in wanted_letters(a, 0)]
    ['a', 'b']
    """
    values = Layout(attribution.layout).to_canonical(np.asarray(attribution.values, np.float64))[example]
    least, greatest = attribution.display.bounds or (0.0, 1.0)
    scale = Scale(0.0, 1.0, False, 100.0)
    steps = []
    for step in values:
        # Stable, so that equal letters come in the order of the alphabet on every machine.
        order = np.argsort(-step, kind="stable")[:most]
        # From the middle of the bounds, where an input of no use stays, to their upper end.
        sizes = np.clip((step[order] - least) / (greatest - least) * 2 - 1, 0, 1)
        colors = scale.colors(sizes)
        steps.append(
            tuple(
                Letter(
                    visible(ALPHABET[index]),
                    number(float(step[index])),
                    "#" + "".join(f"{round(255 * float(channel)):02x}" for channel in color[:3]),
                    text_color(color),
                )
                for index, color in zip(order, colors, strict=True)
            )
        )
    return tuple(steps)
