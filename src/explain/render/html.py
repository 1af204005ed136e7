"""Attributions as HTML that stands alone: coloured text, and figures as data URIs. Everything is escaped."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING

import numpy as np

from explain.errors import RenderError
from explain.render.arguments import check_attribution
from explain.render.kinds.sequence import steps, visible
from explain.render.parts.contrast import text_color
from explain.results.attribution import Attribution
from explain.results.heatmap import ChannelRule, Scale, is_signed, shared_scale
from explain.results.names import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def sequence_html(
    attribution: Attribution, example: int = 0, scale: Scale | None = None, *, channels: ChannelRule = "sum"
) -> str:
    """Write a sequence as text in the colours of its relevance.

    Parameters
    ----------
    attribution : Attribution
        Of sequences, with ``display.step_names``.
    example : int
        Which one.
    scale : Scale, optional
        What the colours mean; that of this example alone if not given. Give one to all that are compared.
    channels : {"sum", "mean", "abs_sum", "abs_max"}
        How the features of a step are merged, see `explain.render.heatmaps`.

    Returns
    -------
    str
        One ``<span class="explain-sequence">`` with a ``<span>`` for each step; the number is its tooltip.
        Padding is left out.

    Raises
    ------
    RenderError
        If there are no step names, or `example` is out of range.

    Examples
    --------
    >>> values = np.array([[1.0, -0.5]], np.float32)
    >>> a = Attribution(values, values, "NT", "saliency", np.ones(1)).with_display(step_names=(("<", "o"),))
    >>> text = sequence_html(a)
    >>> "&lt;" in text, 'title="o: −0.5"' in text
    (True, True)
    """
    check_attribution("attribution", attribution)
    if not 0 <= example < len(attribution):
        raise RenderError(
            f"example={example!r} is not one of the {len(attribution)}: give 0 to {len(attribution) - 1}."
        )
    shown = steps(attribution, example, channels=channels)
    relevance = np.array([step.relevance for step in shown])
    if scale is None:
        scale = shared_scale(relevance, signed=is_signed(channels))
    spans = []
    for step, color in zip(shown, scale.colors(relevance), strict=True):
        background = "#" + "".join(f"{round(255 * float(channel)):02x}" for channel in color[:3])
        title = html.escape(f"{step.name}: {number(step.relevance)}")
        style = f"background:{background};color:{text_color(color)};padding:.15em .25em;white-space:pre"
        spans.append(f'<span style="{style}" title="{title}">{html.escape(visible(step.name))}</span>')
    note = ' title="all zero"' if not relevance.any() else ""
    return f'<span class="explain-sequence"{note}>{"".join(spans)}</span>'


def figure_png(figure: Figure) -> bytes:
    """Give a figure as a PNG file whose bytes depend on nothing but the picture.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        From `explain.render.plot`, or any other.

    Returns
    -------
    bytes
        The file; no date, no version in it.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> figure_png(Figure(figsize=(1, 1))) == figure_png(Figure(figsize=(1, 1)))
    True
    """
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=figure.dpi, metadata={"Software": None})
    return stream.getvalue()


def figure_data_uri(figure: Figure) -> str:
    """Give a figure as a ``data:`` URI, to be the source of an image in a page that needs no other file.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        From `explain.render.plot`, or any other.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> figure_data_uri(Figure(figsize=(1, 1)))[:22]
    'data:image/png;base64,'
    """
    return "data:image/png;base64," + base64.b64encode(figure_png(figure)).decode("ascii")
