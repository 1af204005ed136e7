"""Sequences as HTML: each step has the colour of its relevance. All text is escaped."""

from __future__ import annotations

import html

import numpy as np

from explain.errors import RenderError
from explain.render.arguments import check_attribution
from explain.render.colours import Scale, css_color, shared_scale
from explain.render.parts.steps import steps, visible
from explain.render.parts.text_contrast import text_color
from explain.results.attribution import Attribution
from explain.results.heatmap import ChannelRule, is_signed
from explain.results.names import number


def sequence_html(
    attribution: Attribution, example: int = 0, scale: Scale | None = None, *, channels: ChannelRule = "sum"
) -> str:
    """Write a sequence as HTML, each step in the colour of its relevance.

    Parameters
    ----------
    attribution, example
        As for `explain.render.steps`.
    scale : Scale, optional
        The scale of the colours. By default the scale of this example alone; to compare several, give all the same.
    channels : {"sum", "mean", "abs_sum", "abs_max"}
        As for `explain.render.steps`.

    Returns
    -------
    str
        One ``<span class="explain-sequence">`` with a ``<span>`` for each step; the tooltip is the relevance.
        Padding has no ``<span>``.

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
        background = css_color(color)
        title = html.escape(f"{step.name}: {number(step.relevance)}")
        style = f"background:{background};color:{text_color(color)};padding:.15em .25em;white-space:pre"
        spans.append(f'<span style="{style}" title="{title}">{html.escape(visible(step.name))}</span>')
    note = ' title="all zero"' if not relevance.any() else ""
    return f'<span class="explain-sequence"{note}>{"".join(spans)}</span>'
