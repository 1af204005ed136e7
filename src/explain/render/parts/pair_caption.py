"""The text around the maps of a pair: what both explain, the numbers of each map, how similar the two are."""

from __future__ import annotations

from collections.abc import Sequence

from explain.render.parts.caption import (
    delta_line,
    example_text,
    map_error_line,
    predicted_text,
    score_text,
    steps_line,
    title_line,
)
from explain.render.parts.lines import SEPARATOR, SMALL, Line
from explain.render.parts.sheet import ALERT, INK, MUTED, text_width
from explain.results.attribution import Attribution
from explain.results.comparison import TITLES, Comparison

# The space between the text below each map of a pair and the text below both.
PAIR_GAP = 0.05
# Before which of (label and score, delta, steps, map error) a line may be broken, the fewest breaks first.
_BREAKS = ((), (2,), (2, 3), (1, 2, 3))


def pair_lines(attributions: Sequence[Attribution], example: int) -> list[Line]:
    """Give the caption of one example of a pair: what both explain; scores and deltas are written below each map.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((1, 2), np.float32)
    >>> a = Attribution(ones, ones, "NC", "ig", np.array([2.5]), predicted=np.array([3]))
    >>> [line.text for line in pair_lines([a, a], 0)]
    ['output', 'predicted class 3', 'example 0']
    """
    predicted = list(dict.fromkeys(filter(None, (predicted_text(one, example) for one in attributions))))
    both = (
        [predicted[0], *(text.replace("predicted", "and", 1) for text in predicted[1:])] if predicted else []
    )
    last = Line(example_text(attributions[0], example))
    return [title_line(attributions[0], example), *map(Line, both), last]


def under_maps(
    attributions: Sequence[Attribution],
    examples: Sequence[int],
    width: float,
    labels: Sequence[str] = (),
) -> dict[int, list[list[Line]]]:
    """Give the lines below each map of a pair: score, convergence delta, steps and estimated error.

    The text of all maps of a figure is broken at the same places, into the fewest lines that fit all of them.

    Parameters
    ----------
    attributions : sequence of Attribution
        The attributions side by side.
    examples : sequence of int
        The examples shown.
    width : float
        The available width in inches.
    labels : sequence of str
        The names of the attributions, written before the rest. By default none.

    Returns
    -------
    dict of int to list of list of Line
        By example: the lines of each attribution.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((1, 2), np.float32)
    >>> a = Attribution(ones, ones, "NC", "ig", np.array([2.5]), steps=np.array([45]), rule="midpoint")
    >>> [line.text for line in under_maps([a], [0], 4.0)[0][0]]
    ['logit 2.5  ·  45 midpoint steps']
    >>> [line.text for line in under_maps([a], [0], 1.5)[0][0]]
    ['logit 2.5', '45 midpoint steps']
    """
    for breaks in _BREAKS:
        arranged = {
            example: [
                _broken(_parts_under(one, example, label), breaks)
                for one, label in zip(attributions, labels or [""] * len(attributions), strict=True)
            ]
            for example in examples
        }
        written = [line for both in arranged.values() for lines in both for line in lines]
        if all(text_width(line.text, line.size) <= width for line in written):
            break
    return arranged


def _parts_under(attribution: Attribution, example: int, label: str) -> list[Line | None]:
    """Give the parts of the text below a map, None for each part that the attribution does not have."""
    score = score_text(attribution, example)
    return [
        Line(f"{label}{SEPARATOR}{score}" if label else score),
        delta_line(attribution, example, "delta"),
        steps_line(attribution, example),
        map_error_line(attribution, example),
    ]


def _broken(parts: Sequence[Line | None], breaks: Sequence[int]) -> list[Line]:
    """Join parts to lines in small type; a line with a coloured part is coloured."""
    lines = []
    for start, stop in zip((0, *breaks), (*breaks, len(parts)), strict=True):
        joined = [part for part in parts[start:stop] if part is not None]
        if joined:
            color = ALERT if any(part.color == ALERT for part in joined) else MUTED
            lines.append(Line(SEPARATOR.join(part.text for part in joined), SMALL, color=color))
    return lines


def similarity_lines(comparison: Comparison | None, example: int, width: float) -> list[Line]:
    """Give the similarity figures of one pair, on one line if they fit, else on two; no line without a comparison.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.ones(1)
    >>> for line in similarity_lines(Comparison(0 * one, one, one, one, np.nan * one), 0, 3.0):
    ...     print(line.text)
    relative L2 0  ·  Pearson 1.0000  ·  Spearman 1.0000
    top 10 % 1.0000  ·  SSIM –
    """
    if comparison is None:
        return []
    parts = [f"{TITLES[name]} {text}" for name, text in comparison.texts(example).items()]
    whole = SEPARATOR.join(parts)
    texts = (
        [whole]
        if text_width(whole, SMALL) <= width
        else [SEPARATOR.join(parts[:3]), SEPARATOR.join(parts[3:])]
    )
    return [Line(text, SMALL, color=INK) for text in texts]
