"""A page with one row for each example that a figure shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from explain.render.drawn import Drawn
from explain.render.parts.caption import example_lines, head
from explain.render.parts.lines import Line
from explain.render.parts.page import Heading, Page, Row, compose
from explain.render.parts.pair_caption import pair_lines
from explain.render.parts.sheet import Sheet


def caption_of(drawn: Drawn, example: int) -> list[Line]:
    """Give the caption of one example of one attribution, or the caption that the two of a pair have in common."""
    remarks = [drawn.remarks[example]] if drawn.remarks else []
    if drawn.labels:
        return [*pair_lines(drawn.attributions, example), *map(Line, remarks)]
    return example_lines(drawn.first, example, *remarks)


def compose_examples(
    drawn: Drawn,
    draw: Callable[[int, Sheet, float], None],
    *,
    height: Callable[[int], float],
    headings: Sequence[Heading],
    width: float,
    caption: Callable[[Drawn, int], Sequence[Line]] = caption_of,
    below: float = 0.0,
) -> Page:
    """Lay out a page with a row for each example.

    Parameters
    ----------
    drawn : Drawn
        Supplies the examples, the attributions for the head and the warnings for the foot.
    draw : callable
        Called with the index of a row, the sheet and the top of the row.
    height : callable
        From the index of a row to the height of its content, in inches.
    headings : sequence of Heading
        The headings above the first row.
    width : float
        The width of the page, in inches.
    caption : callable
        From `drawn` and an example to the example's caption.
    below : float
        The space below the last row, in inches.

    Returns
    -------
    Page
        The page with all rows drawn.
    """
    rows = [
        Row(caption(drawn, example), height(index), partial(draw, index))
        for index, example in enumerate(drawn.examples)
    ]
    header = head(drawn.attributions, len(drawn.examples), drawn.title)
    return compose(header=header, headings=headings, rows=rows, width=width, notes=drawn.notes, below=below)
