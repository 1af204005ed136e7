"""A page of rows: a head, a heading for each column, a row for each example, the warnings at the foot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from explain.render.parts.lines import CAPTION_WIDTH, Line, lines_height, write_lines
from explain.render.parts.sheet import ALERT, DPI, MUTED, Sheet, line_height, text_width

MARGIN = 0.22
GAP = 0.13
ROW_GAP = 0.24
HEADING_SIZE = 8.0

# The left end of the content: to the right of the captions.
CONTENT_LEFT = MARGIN + CAPTION_WIDTH + 0.16


@dataclass(frozen=True)
class Row:
    """One example: its caption, the height of the content beside the caption, and a function that draws the content.

    Attributes
    ----------
    caption : sequence of Line
        Written at the left.
    height : float
        The height of the content, in inches.
    draw : callable
        Called with the sheet and the top of the row.
    """

    caption: Sequence[Line]
    height: float
    draw: Callable[[Sheet, float], None]

    @property
    def full_height(self) -> float:
        """The height of the content or of the caption, whichever is greater."""
        return max(self.height, lines_height(self.caption))


@dataclass(frozen=True)
class Heading:
    """The heading of a column: its text, and the left edge and the width of the column in inches."""

    text: str
    left: float
    width: float


@dataclass(frozen=True)
class Page:
    """A page with all rows drawn.

    Attributes
    ----------
    sheet : Sheet
        The sheet with the rows.
    bottom : float
        The bottom of the last row.
    """

    sheet: Sheet
    bottom: float


def compose(
    *,
    header: Sequence[Line],
    headings: Sequence[Heading],
    rows: Sequence[Row],
    width: float,
    notes: Sequence[str] = (),
    below: float = 0.0,
) -> Page:
    """Lay out a page.

    Parameters
    ----------
    header : sequence of Line
        Written across the top.
    headings : sequence of Heading
        The headings above the first row.
    rows : sequence of Row
        One per example.
    width : float
        The width of the page, in inches.
    notes : sequence of str
        Warnings, written at the foot.
    below : float
        The space below the last row, in inches (for tick labels or a colour bar).

    Returns
    -------
    Page
        The page with all rows drawn.
    """
    inner = width - 2 * MARGIN
    notes_lines = [Line(f"Warning: {note}", 7.5, color=ALERT, most=12) for note in notes]
    heading_height = line_height(HEADING_SIZE) + 0.04 if headings else 0.08
    notes_height = lines_height(notes_lines, inner) + 0.1 if notes_lines else 0.0
    head_height = lines_height(header, inner) + 0.14
    body = sum(row.full_height for row in rows) + ROW_GAP * (len(rows) - 1)
    sheet = Sheet(width, MARGIN + head_height + heading_height + body + below + notes_height + MARGIN)

    top = write_lines(sheet, MARGIN, MARGIN, header, inner) + 0.14
    for heading in headings:
        middle = heading.left + heading.width / 2
        sheet.write(middle, top, heading.text, HEADING_SIZE, color=MUTED, align="center")
    top += heading_height
    for row in rows:
        write_lines(sheet, MARGIN, top - 0.02, row.caption)
        row.draw(sheet, top)
        top += row.full_height + ROW_GAP
    bottom = top - ROW_GAP
    write_lines(sheet, MARGIN, bottom + below + 0.1, notes_lines, inner)
    return Page(sheet, bottom)


def place_columns(
    names: Sequence[str], widths: Sequence[float], *, rooms: Sequence[float] = (), least: float = 0.0
) -> tuple[list[float], float]:
    """Place panels side by side, far enough apart for their headings.

    Parameters
    ----------
    names : sequence of str
        The heading of each panel.
    widths : sequence of float
        The widths of the panels, in inches.
    rooms : sequence of float
        The space to the left of each panel, for the labels of an axis.
    least : float
        The least width of a column.

    Returns
    -------
    (list of float, float)
        The left edge of each panel, each in the middle of its column, and the right edge of the last column.

    Examples
    --------
    >>> lefts, right = place_columns(["input", "map"], [2.0, 2.0])
    >>> round(lefts[1] - lefts[0], 2)
    2.13
    """
    left, lefts = CONTENT_LEFT, []
    for name, width, room in zip(names, widths, rooms or (0.0,) * len(names), strict=True):
        column = max(width, text_width(name, HEADING_SIZE), least)
        left += room
        lefts.append(left + (column - width) / 2)
        left += column + GAP
    return lefts, left - GAP


def panel_size(height: int, width: int, target: float) -> tuple[float, float]:
    """Give the width and the height in inches of a panel for an image of a given size.

    Each pixel of a small image gets a whole number of screen pixels, the same number for all pixels.

    Parameters
    ----------
    height, width : int
        The size of the image, in pixels.
    target : float
        The desired height in inches; wide images may have 1.5 times this width.

    Examples
    --------
    >>> panel_size(32, 32, 1.93)
    (1.92, 1.92)
    """
    zoom = min(target * DPI / height, 1.5 * target * DPI / width)
    if zoom >= 2:
        zoom = int(zoom)
    return max(width * zoom, 0.25 * DPI) / DPI, max(height * zoom, 0.25 * DPI) / DPI


def panel_target(rows: int) -> float:
    """Give the height in inches that panels should have: fewer rows have larger panels."""
    return 2.2 if rows <= 2 else 1.95 if rows <= 4 else 1.6
