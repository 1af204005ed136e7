"""The words around a map: target, score, prediction, steps, error, convergence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from explain.render.integration import (
    differences_text,
    map_error_text,
    misses_tolerance,
    steps_text,
)
from explain.render.parts.sheet import ALERT, INK, MUTED, Sheet, Weight, line_height, text_width, wrap
from explain.results.attribution import Attribution
from explain.results.comparison import TITLES, Comparison
from explain.results.names import class_name, framework_name, method_name, number, percent

# The relative convergence delta above which `explain` warns, and above which the caption is coloured.
HIGH_DELTA = 0.05

CAPTION_WIDTH = 1.72
# Between what stands under each map of a pair and what stands under both.
PAIR_GAP = 0.05
SMALL = 7.5
SEPARATOR = "  ·  "
# Before which of (label and score, delta, steps, map error) a line is broken: the fewer, the better.
_BREAKS = ((), (2,), (2, 3), (1, 2, 3))


@dataclass(frozen=True)
class Line:
    """One paragraph of a caption: its words, size in points, weight and colour."""

    text: str
    size: float = 8.0
    weight: Weight = "normal"
    color: str = MUTED


def target_of(attribution: Attribution, example: int) -> Any:
    """Give the target of one example, None where there is none."""
    return attribution.target[example] if example < len(attribution.target) else None


def score_text(attribution: Attribution, example: int) -> str:
    """Write the kind and the value of the explained score.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((1, 2), np.float32)
    >>> score_text(Attribution(ones, ones, "NC", "saliency", np.array([2.5]), score="log_probability"), 0)
    'log-probability 2.5'
    """
    return f"{attribution.score.replace('_', '-')} {number(float(attribution.scores[example]))}"


def delta_line(attribution: Attribution, example: int, words: str = "convergence delta") -> Line | None:
    """Write the convergence delta, coloured where the integral has not converged; None without one."""
    if len(attribution.together) > 1:
        # Its own values do not sum to the difference: those of all inputs do.
        words = "joint delta"
    if attribution.relative_delta is not None:
        relative = float(attribution.relative_delta[example])
        return Line(f"{words} {percent(relative)}", color=ALERT if abs(relative) > HIGH_DELTA else MUTED)
    if attribution.delta is not None:
        return Line(f"{words} {number(float(attribution.delta[example]))}")
    return None


def steps_line(attribution: Attribution, example: int) -> Line | None:
    """Write the steps of an integral and their rule; None where nothing was integrated."""
    text = steps_text(attribution, example)
    return None if text is None else Line(text)


def map_error_line(attribution: Attribution, example: int) -> Line | None:
    """Write the estimated error of the map, coloured where it is above the tolerance; None without one."""
    text = map_error_text(attribution, example)
    if text is None:
        return None
    return Line(text, color=ALERT if misses_tolerance(attribution, example) else MUTED)


def predicted_text(attribution: Attribution, example: int) -> str | None:
    """Write the predicted class; None where the model has no classes."""
    if attribution.predicted is None or np.ndim(attribution.predicted[example]) != 0:
        return None
    return f"predicted {class_name(attribution, int(attribution.predicted[example]))}"


def example_lines(attribution: Attribution, example: int, *extra: str) -> list[Line]:
    """Give the caption of one example: target, score, prediction, how the integral was made, its number.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((1, 2), np.float32)
    >>> a = Attribution(ones, ones, "NC", "ig", np.array([2.5]), steps=np.array([45]), rule="midpoint")
    >>> [line.text for line in example_lines(a, 0)]
    ['output', 'logit 2.5', '45 midpoint steps', 'example 0']
    """
    name = class_name(attribution, target_of(attribution, example))
    lines = [Line(name, 9.5, "bold", INK), Line(score_text(attribution, example), color=INK)]
    predicted = predicted_text(attribution, example)
    if predicted is not None:
        lines.append(Line(predicted))
    made = (line(attribution, example) for line in (steps_line, map_error_line, delta_line))
    lines += [line for line in made if line is not None]
    return [*lines, Line(f"example {example}"), *(Line(text) for text in extra)]


def pair_lines(attributions: Sequence[Attribution], example: int) -> list[Line]:
    """Give the caption of one example of a pair: what both explain; scores and deltas stand under each map.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((1, 2), np.float32)
    >>> a = Attribution(ones, ones, "NC", "ig", np.array([2.5]), predicted=np.array([3]))
    >>> [line.text for line in pair_lines([a, a], 0)]
    ['output', 'predicted class 3', 'example 0']
    """
    name = class_name(attributions[0], target_of(attributions[0], example))
    predicted = list(dict.fromkeys(filter(None, (predicted_text(one, example) for one in attributions))))
    both = (
        [predicted[0], *(text.replace("predicted", "and", 1) for text in predicted[1:])] if predicted else []
    )
    return [Line(name, 9.5, "bold", INK), *map(Line, both), Line(f"example {example}")]


def under_maps(
    attributions: Sequence[Attribution],
    examples: Sequence[int],
    width: float,
    labels: Sequence[str] = (),
) -> dict[int, list[list[Line]]]:
    """Give the lines under each map of a pair: score, convergence delta, steps and estimated error.

    All the maps of a figure have their words broken at the same places, in as few lines as all fit in.

    Parameters
    ----------
    attributions : sequence of Attribution
        Those that are shown side by side.
    examples : sequence of int
        Those shown.
    width : float
        Room in inches.
    labels : sequence of str
        What to call each attribution, written before the rest; not written if not given.

    Returns
    -------
    dict of int to list of list of Line
        By example, for each attribution.

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
    """Give what stands under a map, None where there is none of it."""
    score = score_text(attribution, example)
    return [
        Line(f"{label}{SEPARATOR}{score}" if label else score),
        delta_line(attribution, example, "delta"),
        steps_line(attribution, example),
        map_error_line(attribution, example),
    ]


def _broken(parts: Sequence[Line | None], breaks: Sequence[int]) -> list[Line]:
    """Join parts to small lines; a line with a part that is coloured is coloured."""
    lines = []
    for start, stop in zip((0, *breaks), (*breaks, len(parts)), strict=True):
        joined = [part for part in parts[start:stop] if part is not None]
        if joined:
            color = ALERT if any(part.color == ALERT for part in joined) else MUTED
            lines.append(Line(SEPARATOR.join(part.text for part in joined), SMALL, color=color))
    return lines


def similarity_lines(comparison: Comparison, example: int, width: float) -> list[Line]:
    """Give the figures of similarity of one pair: in one line if it is wide enough, else in two.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.ones(1)
    >>> for line in similarity_lines(Comparison(0 * one, one, one, one, np.nan * one), 0, 3.0):
    ...     print(line.text)
    relative L2 0  ·  Pearson 1.0000  ·  Spearman 1.0000
    top 10 % 1.0000  ·  SSIM –
    """
    parts = [f"{TITLES[name]} {text}" for name, text in comparison.texts(example).items()]
    whole = SEPARATOR.join(parts)
    texts = (
        [whole]
        if text_width(whole, SMALL) <= width
        else [SEPARATOR.join(parts[:3]), SEPARATOR.join(parts[3:])]
    )
    return [Line(text, SMALL, color=INK) for text in texts]


def write_lines(
    sheet: Sheet, left: float, top: float, lines: Sequence[Line], width: float = CAPTION_WIDTH
) -> float:
    """Write paragraphs one under the other, wrapped to `width` inches; give where the next would start."""
    for line in lines:
        for text in wrap(line.text, width, line.size, weight=line.weight):
            top = sheet.write(left, top, text, line.size, color=line.color, weight=line.weight)
    return top


def lines_height(lines: Sequence[Line], width: float = CAPTION_WIDTH) -> float:
    """Give the height in inches that `write_lines` will take."""
    return sum(
        line_height(line.size) * len(wrap(line.text, width, line.size, weight=line.weight)) for line in lines
    )


def head(attributions: Sequence[Attribution], shown: int) -> list[Line]:
    """Give the head of a figure: the method, then the model, the framework and how many examples are shown.

    Where the two of a pair differ in steps, rule or chunk size, a third line says so: their maps then differ
    for a reason that is none of the models'.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((3, 2), np.float32)
    >>> a = Attribution(ones, ones, "NC", "saliency", np.ones(3), framework="torch", model="Net")
    >>> [line.text for line in head([a], 2)]
    ['Saliency', 'Net  ·  PyTorch  ·  2 of 3 examples']
    """

    def either(names: Iterable[str]) -> str:
        return " and ".join(dict.fromkeys(name for name in names if name))

    parts = [
        either(one.model for one in attributions),
        either(framework_name(one.framework) for one in attributions),
        either(f"layer {one.layer}{_neuron_text(one)}" for one in attributions if one.layer),
        either(f"input {one.input_name}" for one in attributions if one.input_name),
        either(f"computed by {one.engine}" for one in attributions if one.engine != "explain"),
        f"{shown} of {len(attributions[0])} examples" if shown < len(attributions[0]) else "",
    ]
    lines = [
        Line(either(method_name(one.method) for one in attributions), 12.5, "bold", INK),
        Line(SEPARATOR.join(part for part in parts if part), 8.5),
    ]
    unlike = differences_text(*attributions) if len(attributions) == 2 else ""
    return [*lines, Line(unlike, 8.5)] if unlike else lines


def _neuron_text(attribution: Attribution) -> str:
    """Name the neuron of the layer, where one was asked for and it is the same for all examples."""
    asked = set(attribution.neuron)
    return f", neuron {next(iter(asked))}" if len(asked) == 1 else ", neurons" if asked else ""
