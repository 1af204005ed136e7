"""`explain.render.show`: one result or several, as an object that shows itself in a notebook."""

from __future__ import annotations

import html
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from explain.errors import RenderError
from explain.public_calls.callers_line import at_callers_line
from explain.render.notebook import (
    HTML,
    MOST_ROWS,
    PNG,
    Bundle,
    Metadata,
    bundle,
    described,
    drawing,
    first_examples,
    image_html,
    png,
    reason,
)
from explain.results.attribution import Attribution
from explain.results.comparison import Comparison
from explain.results.shown import Shown, shown_together

# A page of more pictures than this is slow to open.
MOST_RESULTS = 12

_FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',sans-serif"
_HEADING = "border-top:1px solid rgba(128,128,128,.45);margin:1.2em 0 .6em;padding-top:.3em;font-weight:600"
_QUIET = "opacity:.75;font-size:.85em"


class Show:
    """Results that show themselves as the last value of a notebook's cell; see `explain.render.show`."""

    def __init__(self, results: Mapping[str | int, Any], text: Callable[[], str], is_one: bool) -> None:
        self._results = results
        self._text = text
        self._is_one = is_one

    def __repr__(self) -> str:
        """Write what a terminal shows."""
        return self._text()

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> Bundle:
        """Give what a notebook shows: a picture of one attribution, else a page; text for a terminal."""
        return bundle(self._text, self._makers(), include, exclude)

    def _makers(self) -> dict[str, Callable[[], tuple[str, Metadata]]]:
        if not self._is_one:
            return {HTML: lambda: (self._page(), {})}
        (one,) = self._results.values()
        if isinstance(one, Attribution) and not one.texts:
            return {PNG: lambda: png(drawing(one).figure)}
        return {HTML: lambda: (_section(one), {})}

    def _page(self) -> str:
        """Write every result below its name."""
        parts = []
        for index, one in list(self._results.items())[:MOST_RESULTS]:
            try:
                content = _section(one)
            # The others are shown, whatever goes wrong with one.
            except Exception as cause:
                why = f"not drawn: {reason(cause)}"
                content = (
                    f'<pre style="white-space:pre-wrap">{html.escape(repr(one))}\n({html.escape(why)})</pre>'
                )
            # As it is written to get this result.
            heading = html.escape(f"[{index!r}]")
            parts.append(
                f'<div style="{_HEADING}"><code style="background:none">{heading}</code></div>{content}'
            )
        count = len(self._results) - MOST_RESULTS
        if count > 0:
            parts.append(f'<div style="{_HEADING}">{count:,} more are left out</div>')
        return f'<div class="explain-results" style="{_FONT}">{"".join(parts)}</div>'


@at_callers_line
def show(results: Any) -> Show:
    """Show one result or several in a notebook, also of different kinds of input.

    Parameters
    ----------
    results : Attribution, Comparison, MigrationReport, Evaluation, Benchmark, or a sequence or mapping of them
        What `explain` returned; None, for an input without a result, is shown as such.

    Returns
    -------
    Show
        Draws itself when a notebook shows it, and not before: give it as the last value of a cell, or to
        ``IPython.display.display``. From four images on they are a grid, from ten rows of a table on a beeswarm. At
        most twelve images, four examples of anything else and twelve results are shown; the head says how many are
        left out.

    Raises
    ------
    RenderError
        If something else is among the results.

    Examples
    --------
    >>> import numpy as np, explain
    >>> x = np.ones((1, 3, 8, 8), np.float32)
    >>> a = explain.Attribution(x, x, "NCHW", "saliency", np.ones(1), target=(3,))
    >>> data, metadata = show([a, explain.compare(a, a)])._repr_mimebundle_()
    >>> sorted(data), data["text/html"].count("<img")
    (['text/html', 'text/plain'], 2)
    """
    if isinstance(results, Shown) and not isinstance(results, tuple | list | dict):
        return Show({0: results}, results.__repr__, is_one=True)
    named: dict[str | int, Any]
    if isinstance(results, Mapping):
        named = {name if isinstance(name, int) else str(name): one for name, one in results.items()}
        together = shown_together(results)
    elif isinstance(results, Iterable) and not isinstance(results, str | bytes):
        together = shown_together(results if isinstance(results, tuple) else list(results))
        named = dict(enumerate(together))
    else:
        raise _refused("results", results)
    for index, one in named.items():
        if not (one is None or isinstance(one, Shown)):
            raise _refused(f"results[{index!r}]", one)
    return Show(named, together.__repr__, is_one=False)


def _refused(name: str, given: object) -> RenderError:
    return RenderError(
        f"{name} is a {type(given).__name__}: give what explain.attribute, load, compare, check_migration, evaluate or "
        "benchmark returned, or a list, tuple or dict of them."
    )


def _section(one: Any) -> str:
    """Write one result as a part of a page."""
    if one is None:
        return (
            f'<div style="{_QUIET}">no result: the input is fixed, or the method does not apply to it</div>'
        )
    if isinstance(one, Comparison):
        from explain.render.comparison_html import comparison_html

        return comparison_html(one)
    if not isinstance(one, Attribution):
        # A report, or the results of another call.
        data, _ = one._repr_mimebundle_(include=(HTML,))
        return str(data[HTML])
    if one.texts:
        from explain.render.html_text import text_html

        few, left_out = first_examples(one, 2 * MOST_ROWS)
        words = f'<div style="{_QUIET}">{html.escape(left_out)}</div>' if left_out else ""
        return text_html(few) + words
    return image_html(drawing(one).figure, described(one))
