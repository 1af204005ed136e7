"""Whether the words of a figure can be read."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text


def drawn_texts(figure: Figure) -> tuple[list[str], np.ndarray]:
    """Give every text that is really drawn, with its box in pixels as (left, bottom, right, top)."""
    drawn = []
    draw = Text.draw

    def record(self, renderer):
        if self.get_visible() and self.get_text().strip():
            drawn.append(self)
        draw(self, renderer)

    renderer = figure.canvas.get_renderer()
    with patch.object(Text, "draw", record):
        figure.draw(renderer)
    boxes = [text.get_window_extent(renderer).extents for text in drawn]
    return [text.get_text() for text in drawn], np.array(boxes)


def assert_no_text_is_clipped_or_overlaps(figure: Figure) -> None:
    texts, boxes = drawn_texts(figure)
    width, height = figure.bbox.size
    outside = (boxes[:, :2] < 0).any(axis=1) | (boxes[:, 2] > width) | (boxes[:, 3] > height)
    assert not outside.any(), [text for text, out in zip(texts, outside, strict=True) if out]
    low = np.maximum(boxes[:, np.newaxis, :2], boxes[np.newaxis, :, :2])
    high = np.minimum(boxes[:, np.newaxis, 2:], boxes[np.newaxis, :, 2:])
    across, down = np.moveaxis(high - low, -1, 0)
    # A line's box includes room above and below its letters: two lines may share a pixel or two.
    meeting = np.triu((across > 1) & (down > 3), 1)
    assert not meeting.any(), [(texts[one], texts[other]) for one, other in np.argwhere(meeting)]
