"""Texts as HTML: each word on the colour of its relevance, with a legend. All text is escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from explain.errors import RenderError
from explain.inputs.text.tokens import Token
from explain.public_calls.callers_line import at_callers_line
from explain.render.arguments import Choices, check_arguments, check_attribution
from explain.render.colours import DEFAULT_PERCENTILE, Scale, css_color
from explain.render.drawn import Drawn
from explain.render.parts.caption import example_lines, head, padding_text
from explain.render.parts.sheet import ALERT
from explain.render.parts.steps import shown_tokens, visible
from explain.render.parts.text_contrast import text_color
from explain.results.attribution import Attribution
from explain.results.heatmap import ChannelRule, Floats
from explain.results.names import number
from explain.results.view import default_channels, view

# Colours from which a browser mixes those between.
_STOPS = 21
_FONT = "font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',sans-serif"
# Beside words in colour, on light pages and dark ones.
_QUIET = "opacity:.75;font-size:.8em"


@at_callers_line
def text_html(
    attribution: Attribution,
    *,
    examples: int | Sequence[int] | None = None,
    scale: Scale | None = None,
    channels: ChannelRule | None = None,
    percentile: float = DEFAULT_PERCENTILE,
    max_examples: int = 8,
    pieces: bool = False,
) -> str:
    """Write texts as HTML, each word on the colour of its relevance, with the target, the score and a legend.

    Parameters
    ----------
    attribution : Attribution
        Of strings, or of sequences whose ``display.step_names`` are words.
    examples, channels, percentile, max_examples, pieces
        As for `explain.render.plot`.
    scale : Scale, optional
        The scale of the colours. By default one for all texts that are shown.

    Returns
    -------
    str
        One ``<div class="explain-text">`` with its own style, which needs no other file; the tooltip of a word is its
        relevance.

    Raises
    ------
    RenderError
        If the attribution has no words, or an argument is wrong.

    Examples
    --------
    >>> from explain.inputs.text.tokens import Text
    >>> values = np.array([[1.0, -0.5]], np.float32)
    >>> text = Text("a <b>", (Token("a", 0), Token("<b>", 1, space=True)))
    >>> page = text_html(Attribution(values, values, "NT", "saliency", np.ones(1), texts=(text,)))
    >>> "&lt;b&gt;" in page, 'title="&lt;b&gt;: −0.5"' in page
    (True, True)
    """
    check_attribution("attribution", attribution)
    if view(attribution) != "text":
        raise RenderError(
            "attribution has no texts, since no strings were explained: draw it with its plot(), or give strings and "
            "tokenizer= to explain.attribute, or words as display.step_names."
        )
    attribution = attribution.by_word() if attribution.texts and not pieces else attribution
    channels = default_channels([attribution]) if channels is None else channels
    choices = Choices(
        examples, max_examples, None, "shared" if scale is None else scale, channels, percentile
    )
    drawn = check_arguments([attribution], choices)
    title, *about = (html.escape(line.text) for line in head([attribution], len(drawn.examples)))
    parts = [
        f'<div style="font-weight:600">{title}</div>',
        *(f'<div style="{_QUIET}">{line}</div>' for line in about),
        *(_example(drawn, index) for index in range(len(drawn.examples))),
        _legend(drawn),
        *(
            f'<div style="margin-top:.9em;font-size:.8em"><span style="color:{ALERT};background:#fff">'
            f"Warning: {html.escape(note)}</span></div>"
            for note in drawn.notes
        ),
    ]
    return f'<div class="explain-text" style="{_FONT};max-width:48em">{"".join(parts)}</div>'


def _example(drawn: Drawn, index: int) -> str:
    """Write one text, below its target and its score."""
    example = drawn.examples[index]
    texts, relevance = drawn.first.texts, drawn.maps[0][example]
    padding = padding_text(texts[example], relevance) if texts else ""
    lines = example_lines(drawn.first, example, *([padding] if padding else []))
    title, *rest = (html.escape(line.text) for line in lines)
    words = _words(*shown_tokens(drawn.first, example, relevance), drawn.scales[index])
    return (
        f'<div style="margin-top:.9em"><b>{title}</b> <span style="{_QUIET}">{" · ".join(rest)}</span></div>'
        f'<div style="line-height:2">{words}</div>'
    )


def _words(tokens: Sequence[Token], relevance: Floats, scale: Scale) -> str:
    """Write the words of a text, without its padding."""
    real = [place for place, token in enumerate(tokens) if token.kind != "padding"]
    colors = scale.colors(relevance)
    written = []
    for place in real:
        token, color = tokens[place], colors[place]
        ends = [
            token.space or place == real[0],
            place == real[-1] or tokens[place + 1].space,
        ]
        right, left = (".2em" if end else ".04em" for end in reversed(ends))
        style = (
            f"background:{css_color(color)};color:{text_color(color)};padding:.15em {right} .15em {left};"
            "border-radius:.2em"
        )
        if token.kind == "special":
            style += ";font-size:.75em;outline:1px dashed #5f5f5f;outline-offset:-1px;margin:0 .2em"
        title = html.escape(f"{token.name}: {number(float(relevance[place]))}")
        space = " " if token.space else ""
        written.append(
            f'{space}<span style="{style}" title="{title}">{html.escape(visible(token.name))}</span>'
        )
    return "".join(written)


def _legend(drawn: Drawn) -> str:
    """Write the colours of the scale, with numbers, and what they mean."""
    scale = drawn.scales[0]
    words = html.escape("all zero" if scale.all_zero else drawn.scale_words("features"))
    if scale.all_zero:
        return f'<div style="margin-top:.9em;{_QUIET}">{words}</div>'
    stops = ",".join(map(css_color, scale.colors(np.linspace(scale.vmin, scale.vmax, _STOPS))))
    ticks = "".join(
        f'<span style="position:absolute;left:{25 * place}%;transform:translateX(-50%)">{number(float(tick))}</span>'
        for place, tick in enumerate(np.linspace(scale.vmin, scale.vmax, 5))
    )
    return (
        '<div style="margin:.9em 1.5em 0;width:18em;max-width:100%">'
        f'<div style="height:.75em;background:linear-gradient(90deg,{stops});outline:1px solid #b8b8b8"></div>'
        f'<div style="position:relative;height:1.5em;{_QUIET}">{ticks}</div>'
        f'<div style="{_QUIET}">{words}</div></div>'
    )
