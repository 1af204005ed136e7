"""The result of an explanation: plain NumPy values, and all data needed to draw, compare and repeat them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from explain.errors import InputError
from explain.inputs.display import Display
from explain.inputs.layout import Layout
from explain.inputs.reduction import reduction_of
from explain.inputs.text.tokens import Text
from explain.inputs.text.words import joined, word_values
from explain.results.attribution_file import checked_content, read_fields, write_fields

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

    from explain.render import Scale


@dataclass(frozen=True, eq=False)
class Attribution:
    """How much each value of the inputs contributed to a score of a model, as signed values of the inputs' shape.

    Attributes
    ----------
    values : numpy.ndarray of float32
        The attribution, signed, of the shape and in the layout of the input, e.g. (N, C, H, W). For
        activation maximization: the input that was found.
    inputs : numpy.ndarray of float32
        The inputs that were explained (for activation maximization: the initial noise), of the same shape.
    layout : str
        One letter per axis: N batch, C channels or features, T time, D, H, W space.
    method, engine, framework : str
        Canonical name of the method, the library that computed it (``"explain"``, ``"captum"``, ``"tf-explain"``) and
        the framework of the model (``"torch"``, ``"tensorflow"``…).
    model : str
        Class name of the model.
    layer : str
        The layer that was explained: `inputs` is its output, or the map belongs to it, or `neuron` is one of its
        units; empty if no layer was explained.
    neuron : tuple
        The unit of that layer that was explained, for each example: an int or a tuple of int; empty if no unit was
        explained.
    target : tuple
        The target of each of the N examples: an int, a tuple of int (an index into outputs of
        higher rank), the name of a callable, or None for a model with a single output.
    score : str
        The kind of the explained scalar: ``"logit"``, ``"probability"``, ``"log_probability"`` or
        ``"output"`` (the unchanged output of the model).
    scores : numpy.ndarray
        The explained scalar of each example, shape (N,).
    predicted : numpy.ndarray of int, optional
        The predicted class of each example, shape (N,), where the model has classes.
    baseline : numpy.ndarray, optional
        The baseline, of the input's shape; only for methods that compare the input with one baseline.
    baseline_rule : Mapping
        How the baseline was made, e.g. ``{"rule": "blur", "sigma": 3.2}``. For methods that compare with a set of
        references: ``{"rule": "references", "count": 64}``, without the references themselves.
    delta, relative_delta : numpy.ndarray, optional
        Convergence delta of each example, shape (N,): the sum of the values minus the difference between the scores
        at input and baseline; and the size of the delta relative to that difference.
    steps : numpy.ndarray of int, optional
        For methods that integrate: the number of gradients in each example's integral, shape (N,).
    rule : str
        For methods that integrate: the rule of integration that was used, e.g. ``"midpoint"``; else empty.
    map_error : numpy.ndarray of float, optional
        Estimated distance of each example's map from the exact integral, ``‖map − exact‖ / ‖map‖``, shape (N,):
        a bound that holds for about 95 % of examples. Only where the steps allow an estimate.
    batch_size : int, optional
        How many points were in memory at once; in single precision the last bits of the values depend on it.
    mask : numpy.ndarray of bool, optional
        For padded sequences: True where a step is real, shape (N, T).
    history : numpy.ndarray, optional
        For activation maximization: the score before every step and after the last, shape (steps + 1, N).
    options : Mapping
        Every option of the method, with defaults.
    seed : int
        The seed of all random numbers.
    versions : Mapping
        Versions of `explain`, of the framework and of NumPy.
    notes : tuple of str
        The warnings of the call.
    reduce : str
        For token ids: how the values at the embedding vector of a token became its one number (``"norm"``, ``"sum"``,
        ``"mean"`` or ``"max"``); else empty.
    display : Display
        How to draw the input without its normalisation, and the names of classes, steps and features.
    input_name : str
        For a model with several inputs: the key or position of the explained input; else empty.
    together : tuple of str
        The inputs that were explained together, this one included: `delta` then refers to the sum of all their
        values. Empty for an input that was explained alone.
    texts : tuple of Text
        For strings: each text with its tokens, one for each of the T values of its example, without the padding of
        shorter texts; else empty.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((1, 2), np.float32)
    >>> Attribution(values=ones, inputs=ones, layout="NC", method="saliency", scores=np.ones(1)).kind
    'table'
    """

    values: npt.NDArray[np.float32]
    inputs: npt.NDArray[np.float32]
    layout: str
    method: str
    scores: npt.NDArray[Any]
    engine: str = "explain"
    framework: str = ""
    model: str = ""
    layer: str = ""
    neuron: tuple[int | tuple[int, ...] | str | None, ...] = ()
    target: tuple[int | tuple[int, ...] | str | None, ...] = ()
    score: str = "logit"
    predicted: npt.NDArray[Any] | None = None
    baseline: npt.NDArray[np.float32] | None = None
    baseline_rule: Mapping[str, Any] = field(default_factory=dict)
    delta: npt.NDArray[Any] | None = None
    relative_delta: npt.NDArray[Any] | None = None
    steps: npt.NDArray[np.int64] | None = None
    rule: str = ""
    map_error: npt.NDArray[np.float64] | None = None
    batch_size: int | None = None
    mask: npt.NDArray[np.bool_] | None = None
    history: npt.NDArray[Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reduce: str = ""
    display: Display = field(default_factory=Display)
    input_name: str = ""
    together: tuple[str, ...] = ()
    texts: tuple[Text, ...] = ()

    def __len__(self) -> int:
        """Give the number of examples."""
        return int(self.values.shape[Layout(self.layout).batch_axis])

    def __repr__(self) -> str:
        """Name the method, the model and the shape, without the arrays."""
        layer = f"layer={self.layer!r}, " if self.layer else ""
        name = f"input_name={self.input_name!r}, " if self.input_name else ""
        return (
            f"Attribution(method={self.method!r}, framework={self.framework!r}, model={self.model!r}, {layer}{name}"
            f"shape={self.values.shape}, layout={self.layout!r}, score={self.score!r}, target={self.target})"
        )

    @property
    def kind(self) -> str:
        """What an example is: ``"image"``, ``"sequence"``, ``"table"`` or ``"volume"``."""
        return Layout(self.layout).kind

    def with_display(self, **changes: Any) -> Attribution:
        """Give the same attribution with some fields of its `Display` changed."""
        return replace(self, display=replace(self.display, **changes))

    def tokens(self, example: int = 0) -> list[tuple[str, float]]:
        """Give the tokens of a text with their values, in order, without padding.

        Parameters
        ----------
        example : int
            The index of the text.

        Raises
        ------
        InputError
            If no strings were explained.
        """
        text = self._texts()[example]
        values = Layout(self.layout).to_batch_first(self.values)[example].tolist()
        shown = zip(text.tokens, values[: len(text.tokens)], strict=True)
        return [(token.name, value) for token, value in shown if token.kind != "padding"]

    def by_word(self) -> Attribution:
        """Give the attribution of texts with one value for each word, (N, words), instead of one for each token.

        A word's value is what `reduce` gives for the vectors of all its pieces as one vector: their sum, the root of
        the sum of squared norms, the mean, or the largest. `inputs` has the id of the first piece.

        Raises
        ------
        InputError
            If no strings were explained.
        """
        layout = Layout(self.layout)
        values, inputs = (layout.to_batch_first(array) for array in (self.values, self.inputs))
        found = [joined(text) for text in self._texts()]
        shape = (len(found), max(len(places) for _, places in found))
        of_words, first = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        mask = np.zeros(shape, bool)
        for row, (_, places) in enumerate(found):
            steps = slice(len(places))
            of_words[row, steps] = word_values(
                values[row], places, reduction_of(self.reduce or None) or "sum"
            )
            first[row, steps] = inputs[row, [own[0] for own in places]]
            mask[row, steps] = True
        return replace(
            self,
            values=np.ascontiguousarray(layout.from_batch_first(of_words)),
            inputs=np.ascontiguousarray(layout.from_batch_first(first)),
            mask=None if mask.all() else mask,
            texts=tuple(text for text, _ in found),
        )

    def _texts(self) -> tuple[Text, ...]:
        if not self.texts:
            raise InputError(
                "The attribution has no texts, since no strings were explained: give strings and tokenizer= to "
                "explain.attribute."
            )
        return self.texts

    def _repr_html_(self) -> str | None:
        """Give the words of texts in colour, as notebooks show them; None for any other input."""
        from explain.render import text_html

        return text_html(self) if self.texts else None

    def plot(
        self,
        *,
        ax: Axes | None = None,
        figsize: tuple[float, float] | None = None,
        title: str | None = None,
        cmap: str | Colormap | None = None,
        examples: int | Sequence[int] | None = None,
        display: Display | None = None,
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

        return plot(
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

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the attribution to one ``.npz`` file: arrays and JSON, no pickle.

        The file is written under a temporary name and renamed: a failure does not damage an older file. The same
        attribution gives the same bytes.

        Parameters
        ----------
        path : str or os.PathLike
            Where to write; ``.npz`` is added if it is missing.

        Returns
        -------
        pathlib.Path
            The file that was written.
        """
        return write_fields(path, {name: getattr(self, name) for name in self.__dataclass_fields__})


def load(path: str | os.PathLike[str]) -> Attribution:
    """Read an attribution that `Attribution.save` wrote; requires no framework and runs no code of the file.

    Parameters
    ----------
    path : str or os.PathLike
        The ``.npz`` file.

    Returns
    -------
    Attribution
        Equal to the one that was saved.

    Raises
    ------
    AttributionFileError
        If the file is not a saved attribution, is truncated, or comes from a newer format.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> import numpy as np, tempfile, explain
    >>> ones = np.ones((1, 2), np.float32)
    >>> a = Attribution(values=ones, inputs=ones, layout="NC", method="saliency", scores=np.ones(1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     explain.load(a.save(f"{folder}/a.npz")).values
    array([[1., 1.]], dtype=float32)
    """
    path = Path(path)
    with checked_content(path):
        found = Attribution(**read_fields(path))
        Layout(found.layout).check(found.values)
        if found.values.shape != found.inputs.shape:
            raise ValueError(f"values {found.values.shape} and inputs {found.inputs.shape} differ in shape")
        _check_numbers(found)
        _check_texts(found)
    return found


def _check_numbers(attribution: Attribution) -> None:
    """Check the arrays with one number per example: a wrong shape or dtype would fail only later, in a picture."""
    expected = (len(attribution),)
    for name in ("scores", "delta", "relative_delta", "steps", "map_error"):
        array = getattr(attribution, name)
        if array is None:
            continue
        if array.shape != expected or array.dtype.kind not in ("iu" if name == "steps" else "iuf"):
            raise ValueError(
                f"{name} should have one number for each example, shape {expected}: it has shape {array.shape} and "
                f"dtype {array.dtype}"
            )


def _check_texts(attribution: Attribution) -> None:
    """Check that each example has a text, with no more tokens than values."""
    counts = [len(text.tokens) for text in attribution.texts]
    if counts and (len(counts) != len(attribution) or max(counts) > attribution.values.size // len(counts)):
        raise ValueError(
            f"texts have {counts} tokens, which do not fit values of shape {attribution.values.shape}"
        )
