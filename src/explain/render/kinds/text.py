"""Texts: each word on the colour of its relevance, in lines as text is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import FancyBboxPatch

from explain.inputs.text.tokens import Token
from explain.render.colours import Scale
from explain.render.drawn import Drawn
from explain.render.kinds.sequence import BAR_ROOM, BAR_WIDTH, bars_beside, draw_bar_below
from explain.render.parts.axes import say_all_zero
from explain.render.parts.caption import padding_text
from explain.render.parts.colour_bar import LEAST_BAR
from explain.render.parts.example_rows import compose_examples
from explain.render.parts.lines import SMALL, Line, lines_height, write_lines
from explain.render.parts.page import CONTENT_LEFT, MARGIN
from explain.render.parts.pair_caption import PAIR_GAP, similarity_lines, under_maps
from explain.render.parts.sheet import MUTED, elide, text_width
from explain.render.parts.steps import shown_tokens, visible
from explain.render.parts.text_contrast import text_color
from explain.results.heatmap import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from explain.render.parts.sheet import Sheet
    from explain.results.attribution import Attribution

WORD_SIZE = 11.0
# Special tokens are smaller than words, and outlined.
SPECIAL_SIZE = 8.0
LINE_WIDTH = 6.4
LINE_HEIGHT = 0.31
BOX_HEIGHT = 0.235
# Beside the letters of a word, inside its box: at its ends, and where another piece or a mark touches it.
BESIDE = 0.035
JOINED = 0.015
# Between boxes: of words, and of what touches.
SPACE = 0.05
TOUCHING = 0.01


@dataclass(frozen=True)
class PlacedWord:
    """A word in its place, in inches from the top left corner of the text.

    Attributes
    ----------
    text : str
        What is written.
    relevance : float
        Its attribution.
    left, top, width : float
        Its box; all boxes are equally high.
    inside : float
        Where the text begins in the box.
    special : bool
        Whether the tokenizer added it.
    """

    text: str
    relevance: float
    left: float
    top: float
    width: float
    inside: float
    special: bool


def placed_words(tokens: Sequence[Token], relevance: Floats, width: float = LINE_WIDTH) -> list[PlacedWord]:
    """Break words into lines of `width` inches; padding is left out.

    Parameters
    ----------
    tokens : sequence of Token
        The words of a text, or its tokens: the pieces of a word then touch.
    relevance : numpy.ndarray
        The attribution of each.
    width : float
        In inches. A single word that is longer is shortened.

    Examples
    --------
    >>> words = [Token("a", 0), Token("film", 1, space=True), Token(".", 2)]
    >>> [one.top for one in placed_words(words, np.ones(3), 0.6)]
    [0.0, 0.31, 0.31]
    """
    found: list[PlacedWord] = []
    left, top = 0.0, 0.0
    for run in _runs(tokens, relevance):
        ends = [(not place, place == len(run) - 1) for place in range(len(run))]
        words = [_boxed(token, sum(end), width) for (token, _), end in zip(run, ends, strict=True)]
        reach = sum(box for _, box in words) + TOUCHING * (len(run) - 1)
        left += SPACE if left else 0.0
        for (text, box), (token, value), (first, _) in zip(words, run, ends, strict=True):
            # What touches stays on one line, unless it is longer than a line.
            if left > 0 and left + (reach if first and reach <= width else box) > width:
                left, top = 0.0, top + LINE_HEIGHT
            inside = BESIDE if first else JOINED
            special = token.kind == "special"
            found.append(PlacedWord(text, value, left, top, box, inside, special))
            left += box + TOUCHING
        left -= TOUCHING
    return found


def _runs(tokens: Sequence[Token], relevance: Floats) -> list[list[tuple[Token, float]]]:
    """Divide tokens, with their relevance, where there are spaces; padding is left out."""
    runs: list[list[tuple[Token, float]]] = []
    for token, value in zip(tokens, relevance[: len(tokens)].tolist(), strict=True):
        if token.kind == "padding":
            continue
        if not runs or token.space:
            runs.append([])
        runs[-1].append((token, value))
    return runs


def _boxed(token: Token, ends: int, width: float) -> tuple[str, float]:
    """Give the text of a token and the width of its box, which is at the ends of what it touches or within."""
    size = SPECIAL_SIZE if token.kind == "special" else WORD_SIZE
    text = elide(visible(token.name), width - 2 * BESIDE, size)
    return text, text_width(text, size) + ends * BESIDE + (2 - ends) * JOINED


def text_height(placed: Sequence[PlacedWord]) -> float:
    """Give the height in inches of the lines of a text."""
    return max((word.top for word in placed), default=0.0) + LINE_HEIGHT


def draw_words(axes: Axes, placed: Sequence[PlacedWord], scale: Scale) -> None:
    """Draw words on the colours of a scale.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw; they get one unit an inch.
    placed : sequence of PlacedWord
        See `placed_words`.
    scale : Scale
        The scale of the colours.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> words = placed_words([Token("a", 0), Token("film", 1, space=True)], np.array([0.0, 1.0]))
    >>> draw_words(axes, words, Scale(-1, 1, True, 99))
    >>> [text.get_text() for text in axes.texts]
    ['a', 'film']
    """
    box = axes.get_window_extent()
    axes.set_xlim(0, box.width / axes.figure.dpi)
    axes.set_ylim(box.height / axes.figure.dpi, 0)
    axes.axis("off")
    colors = scale.colors(np.array([word.relevance for word in placed]))
    gap = (LINE_HEIGHT - BOX_HEIGHT) / 2
    for word, color in zip(placed, colors, strict=True):
        axes.add_patch(
            FancyBboxPatch(
                (word.left, word.top + gap),
                word.width,
                BOX_HEIGHT,
                boxstyle="round,pad=0,rounding_size=0.03",
                facecolor=color,
                edgecolor=MUTED if word.special else "none",
                linewidth=0.7 if word.special else 0.0,
                linestyle=(0, (2, 1.5)),
            )
        )
        axes.text(
            word.left + word.inside,
            word.top + LINE_HEIGHT / 2,
            word.text,
            color=text_color(color),
            fontsize=SPECIAL_SIZE if word.special else WORD_SIZE,
            ha="left",
            va="center_baseline",
            parse_math=False,
        )
    if not any(word.relevance for word in placed):
        say_all_zero(axes)


def plot_texts(drawn: Drawn) -> Figure:
    """Draw the texts of one or two attributions, those of a pair below each other."""
    placed = [
        [placed_words(*shown_tokens(one, example, maps[example])) for one, maps in _panels(drawn)]
        for example in drawn.examples
    ]
    reach = max((word.left + word.width for both in placed for words in both for word in words), default=0.0)
    content = max(reach, BAR_WIDTH + 0.6, 4.6 if drawn.labels else 0.0)
    overs = _overs(drawn, content)
    beside = bars_beside(drawn, content)

    def draw_row(index: int, sheet: Sheet, top: float) -> None:
        scale, example, row_top = drawn.scales[index], drawn.examples[index], top
        for which, words in enumerate(placed[index]):
            if drawn.labels:
                top = write_lines(sheet, CONTENT_LEFT, top, overs[example][which], content)
            height = text_height(words)
            draw_words(sheet.axes(CONTENT_LEFT, top, content, height), words, scale)
            top += height + (PAIR_GAP if drawn.labels else 0.0)
        below = [*_padding_lines(drawn, example), *similarity_lines(drawn.comparison, example, content)]
        top = write_lines(sheet, CONTENT_LEFT, top, below, content)
        if beside is not None:
            beside.draw_row(sheet, row_top, index)
        elif not drawn.shared:
            draw_bar_below(sheet, top, scale, drawn.maps_of_example(example), drawn.scale_words("features"))

    def row_height(index: int) -> float:
        example = drawn.examples[index]
        lines = [*_padding_lines(drawn, example), *similarity_lines(drawn.comparison, example, content)]
        height = sum(text_height(words) for words in placed[index]) + lines_height(lines, content)
        height += sum(lines_height(over, content) + PAIR_GAP for over in overs.get(example, []))
        if beside is not None:
            return max(height, LEAST_BAR)
        return height + (0.0 if drawn.shared else BAR_ROOM)

    page = compose_examples(
        drawn,
        draw_row,
        height=row_height,
        headings=[] if beside is None else beside.headings,
        width=CONTENT_LEFT + content + MARGIN if beside is None else beside.page_width,
        below=BAR_ROOM if drawn.shared and beside is None else 0.0,
    )
    if drawn.shared and beside is None:
        draw_bar_below(
            page.sheet, page.bottom, drawn.scales[0], drawn.shown_maps(), drawn.scale_words("features")
        )
    return page.sheet.figure


def _panels(drawn: Drawn) -> list[tuple[Attribution, Floats]]:
    return list(zip(drawn.panels, drawn.maps, strict=True))


def _overs(drawn: Drawn, content: float) -> dict[int, list[list[Line]]]:
    """Give the lines above each text of a pair, by example."""
    if not drawn.labels:
        return {}
    names = drawn.labels[: len(drawn.attributions)]
    overs = under_maps(drawn.attributions, drawn.examples, content, names)
    if drawn.difference is not None:
        return {example: [*lines, [Line(drawn.labels[-1], SMALL)]] for example, lines in overs.items()}
    return overs


def _padding_lines(drawn: Drawn, example: int) -> list[Line]:
    texts = (padding_text(one.texts[example], maps[example]) for one, maps in _panels(drawn) if one.texts)
    return [Line(text, SMALL) for text in texts if text]
