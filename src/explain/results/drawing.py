"""A result draws itself; the drawing is in `explain.render`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from explain.inputs.display import Display
from explain.public_calls.callers_line import at_callers_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

    from explain.render import Scale


class Drawing:
    """The methods of an attribution that draw it."""

    @at_callers_line
    def plot(
        self: Any,
        *,
        ax: Axes | None = None,
        figsize: tuple[float, float] | None = None,
        title: str | None = None,
        cmap: str | Colormap | None = None,
        examples: int | Sequence[int] | None = None,
        display: Display | Mapping[str, Any] | None = None,
        scale: Literal["shared", "panel"] | Scale = "shared",
        channels: Literal["sum", "mean", "abs_sum", "abs_max"] | None = None,
        percentile: float = 99.0,
        max_examples: int = 8,
        pieces: bool = False,
        series: Literal["lines", "map"] | None = None,
        kind: Literal["bars", "waterfall", "beeswarm", "importance"] | None = None,
        max_features: int | None = None,
        plane: str | None = None,
        slice: int | None = None,
        slices: int | Sequence[int] | None = None,
    ) -> Figure:
        """Draw the attribution, one row per example, with target, score and a colour bar.

        Images: the input without its normalisation, the heatmap, and the heatmap over the input in grey. Series: a
        lane for each channel over time, its line on the colours of its attribution; with more than 24 channels, input
        and attribution as maps of steps by channels. Sequences with ``display.step_names``, and token ids: each
        step on the colour of its relevance, with a bar below; names that are words are drawn as a text. Tables: bars
        from the largest to the smallest, or another `kind`. Texts: each word on the colour of its relevance; special
        tokens, such as ``[CLS]``, are smaller and outlined. Volumes: for each example the slice with the largest sum
        of |values|, or chosen ones. Activation maximization: the start, the input that was found, and the score at
        every step.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Draw the heatmap of one example (or the lanes, the bars, the words) into your own axes, without caption
            and colour bar: ``figure.colorbar(ax.images[0], ax=ax)`` adds the bar of heatmaps and series.
        figsize : (float, float), optional
            Width and height of the figure in inches. Panels become larger or smaller first, then the text with them.
        title : str, optional
            Written at the top, in place of the method's name; or above `ax`. A dollar sign is a dollar sign.
        cmap : str or matplotlib.colors.Colormap, optional
            Other colours. Signed values take a diverging colour map, such as ``"PuOr_r"``, whose middle is zero;
            values without signs take another, such as ``"viridis"``.
        examples : int or sequence of int, optional
            Which examples. By default the first `max_examples`.
        display : Display, optional
            How to draw the input, instead of the attribution's own.
        scale : {"shared", "panel"} or Scale
            One scale for all examples, one for each, or the scale of another figure.
        channels : {"sum", "mean", "abs_sum", "abs_max"}, optional
            How the channels of a position are merged, see `explain.render.heatmaps`. By default ``"sum"``; ``"mean"``
            for methods that remove whole positions; ``"abs_sum"`` for methods that are unsigned in the catalogue.
        percentile : float
            The percentile of |values| at which colours are clipped, see `explain.render.shared_scale`.
        max_examples : int
            How many examples are drawn by default.
        pieces : bool
            For texts: whether each token has a colour of its own, instead of each word.
        series : {"lines", "map"}, optional
            For sequences of numbers: lines, or a map of steps by channels, whatever the number of channels.
        kind : {"bars", "waterfall", "beeswarm", "importance"}, optional
            For tables: bars for each example, or a waterfall for each, from the score at the baseline to its score; or
            one figure of all examples, a swarm of points or a bar for each feature. By default bars. See
            `explain.render.plot_waterfall`, `explain.render.plot_beeswarm` and `explain.render.plot_importance`.
        max_features : int, optional
            For tables: how many features are drawn one by one; the others are summed. By default 30 bars, and 10 or 12
            rows of the other kinds.
        plane : str, optional
            For volumes: the axis that slices cut across, by its letter in the layout, such as ``"H"``; ``"axial"``,
            ``"coronal"`` and ``"sagittal"`` cut across D, H and W. By default depth, and time for videos.
        slice : int, optional
            For volumes: the index of the slice. By default the one with the largest sum of |values|.
        slices : int or sequence of int, optional
            For volumes: several slices of each, as a row; a number of evenly spaced ones, or their indices.

        Returns
        -------
        matplotlib.figure.Figure
            Notebooks show it; it is not registered in pyplot; save it with its ``savefig``. With `ax`, its figure.

        Raises
        ------
        RenderError
            If an argument is wrong or a value is not finite.
        """
        from explain.render import plot

        figure: Figure = plot(
            self,
            ax=ax,
            figsize=figsize,
            title=title,
            cmap=cmap,
            examples=examples,
            display=display,
            scale=scale,
            channels=channels,
            percentile=percentile,
            max_examples=max_examples,
            pieces=pieces,
            series=series,
            kind=kind,
            max_features=max_features,
            plane=plane,
            slice=slice,
            slices=slices,
        )
        return figure

    def _repr_html_(self: Any) -> str | None:
        """Give the words of texts in colour, as notebooks show them; None for any other input."""
        from explain.render import text_html

        html: str | None = text_html(self) if self.texts else None
        return html
