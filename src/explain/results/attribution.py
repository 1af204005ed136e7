"""The result of an explanation: plain NumPy values, and all data needed to draw, compare and repeat them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, overload

import numpy as np
import numpy.typing as npt

from explain.errors import InputError
from explain.inputs.display import Display, shortened
from explain.inputs.layout import Layout
from explain.inputs.reduction import reduction_of
from explain.inputs.text.tokens import Text
from explain.inputs.text.words import joined, word_values
from explain.public_calls.callers_line import at_callers_line
from explain.results.attribution_file import ARRAYS, read_fields, write_fields
from explain.results.content import equal, hash_of, read_only
from explain.results.cutting import Index, cut
from explain.results.drawing import Drawing
from explain.results.exports import Exports
from explain.results.shown import Shown


@dataclass(frozen=True, eq=False)
class Attribution(Drawing, Exports, Shown):
    """How much each value of the inputs contributed to a score of a model, as signed values of the inputs' shape.

    An index selects examples: ``a[0]``, ``a[:3]`` and each of ``for one in a`` are attributions too, with a batch axis.
    ``np.asarray(a)`` is its values. All arrays are read-only. A notebook shows a picture of it, see
    `explain.render.show`.

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
    nodes : numpy.ndarray of float, optional
        For an integral with the rule ``"adaptive"``: the positions on each example's path, from 0 at the baseline to 1
        at the input, and their weights, shape (N, 2, K); padding has the weight 0. Another model repeats them with
        ``nodes=a.nodes``.
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
    checks : tuple of Mapping
        What `explain.attribute` found with ``checks=True``: the ``"name"`` of each check, its ``"value"`` over the
        ``"count"`` examples that have one, whether it is ``"doubtful"``, and this in ``"words"``; see `verdict`.
    fingerprint : str
        The fingerprint of the model, see `explain.fingerprint`, where it was kept: with ``checks=True``, or by a report
        that was read back. Else empty.
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
    nodes: npt.NDArray[np.float64] | None = None
    batch_size: int | None = None
    mask: npt.NDArray[np.bool_] | None = None
    history: npt.NDArray[Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reduce: str = ""
    checks: tuple[Mapping[str, Any], ...] = ()
    fingerprint: str = ""
    display: Display = field(default_factory=Display)
    input_name: str = ""
    together: tuple[str, ...] = ()
    texts: tuple[Text, ...] = ()

    def __post_init__(self) -> None:
        """Hold arrays that nobody can change: those of the caller are copied, those of another result are shared."""
        for name in ARRAYS:
            array = getattr(self, name)
            if array is not None:
                object.__setattr__(self, name, read_only(array))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Hold read-only arrays after pickling and copying too."""
        self.__dict__.update(state)
        self.__post_init__()

    def __len__(self) -> int:
        """Give the number of examples."""
        return int(self.values.shape[Layout(self.layout).batch_axis])

    @at_callers_line
    def __getitem__(self, index: Index) -> Attribution:
        """Give some of the examples, with all that belongs to them; the batch axis stays.

        Parameters
        ----------
        index : int, slice, list of int, or one bool for each example
            ``a[0]`` is an attribution of one example, ``a[:3]`` of three, ``a[a.scores > 0]`` of those with a
            positive score.

        Raises
        ------
        ExampleIndexError
            If `index` does not select examples.

        Examples
        --------
        >>> import numpy as np
        >>> x = np.arange(6, dtype=np.float32).reshape(3, 2)
        >>> a = Attribution(values=x, inputs=x, layout="NC", method="saliency", scores=np.arange(3), target=(7, 8, 9))
        >>> a[-1].values, a[[2, 0]].target, len(a[:0])
        (array([[4., 5.]], dtype=float32), (9, 7), 0)
        """
        return replace(self, **cut(vars(self), index))

    def __iter__(self) -> Iterator[Attribution]:
        """Give the examples one by one, each as an attribution with a batch axis of length 1."""
        return (self[place] for place in range(len(self)))

    def __eq__(self, other: object) -> bool:
        """Tell whether another attribution has the same values for the same question.

        Values, inputs (with texts and padding), target (with layer and neuron), score, baseline, method, options and
        layout are compared; not the display, the versions, the framework and how the call was computed. To measure
        how similar two results are, use `explain.compare`.
        """
        return equal(vars(self), vars(other)) if isinstance(other, Attribution) else NotImplemented

    def __hash__(self) -> int:
        """Give the same number for equal attributions."""
        return hash_of(vars(self))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Give the values, as ``np.asarray(a)`` and other functions of NumPy ask for them; read-only if not copied."""
        wanted = self.values.dtype if dtype is None else np.dtype(dtype)
        if copy is False and wanted != self.values.dtype:
            raise InputError(
                f"The values are {self.values.dtype}, so dtype={wanted} needs a copy: leave copy=False out."
            )
        return np.array(self.values, wanted) if copy else self.values.astype(wanted, copy=False)

    def __repr__(self) -> str:
        """Name the method, the model and the shape, without the arrays."""
        layer = f"layer={shortened(self.layer)}, " if self.layer else ""
        name = f"input_name={shortened(self.input_name)}, " if self.input_name else ""
        return (
            f"Attribution(method={self.method!r}, framework={self.framework!r}, model={shortened(self.model)}, "
            f"{layer}{name}shape={self.values.shape}, layout={self.layout!r}, score={self.score!r}, "
            f"target={shortened(self.target)})"
        )

    @property
    def kind(self) -> str:
        """What an example is: ``"image"``, ``"sequence"``, ``"table"`` or ``"volume"``."""
        return Layout(self.layout).kind

    @property
    def verdict(self) -> str:
        """What the checks say, in one line of plain words; empty if none was made.

        Examples
        --------
        >>> import numpy as np
        >>> ones = np.ones((1, 2), np.float32)
        >>> doubt = {"name": "seeds", "value": 0.2, "count": 1, "doubtful": True, "words": "The seed decides."}
        >>> Attribution(ones, ones, "NC", "lime", np.ones(1), checks=(doubt,)).verdict
        'The seed decides.'
        """
        doubts = [one["words"] for one in self.checks if one["doubtful"]]
        if doubts or not self.checks:
            return " ".join(doubts)
        made = [one["name"] for one in self.checks if one["value"] is not None]
        missing = [one["name"] for one in self.checks if one["value"] is None]
        said = f"No doubt by: {', '.join(made)}." if made else ""
        left = f"Not checked: {', '.join(missing)}." if missing else ""
        return " ".join(filter(None, (said, left)))

    @at_callers_line
    def with_display(self, **changes: Any) -> Attribution:
        """Give the same attribution with some fields of its `Display` changed."""
        return replace(self, display=replace(self.display, **changes))

    @at_callers_line
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

    @at_callers_line
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

    @overload
    def save(self, path: str | os.PathLike[str]) -> Path: ...
    @overload
    def save(self, path: IO[bytes]) -> None: ...
    @at_callers_line
    def save(self, path: str | os.PathLike[str] | IO[bytes]) -> Path | None:
        """Write the attribution to one ``.npz`` file: arrays and JSON, no pickle.

        The file is written under a temporary name and renamed: a failure does not damage an older file. The same
        attribution gives the same bytes.

        Parameters
        ----------
        path : str, os.PathLike or binary file
            Where to write: ``.npz`` is added to a name without a suffix, any other suffix is refused. Or a file that
            is open for bytes, such as an `io.BytesIO`.

        Returns
        -------
        pathlib.Path, optional
            The file that was written; None if an open file was given.

        Raises
        ------
        InputError
            If `path` has another suffix, such as that of a picture, or names a folder.
        """
        return write_fields(path, vars(self))


@at_callers_line
def load(path: str | os.PathLike[str] | IO[bytes]) -> Attribution:
    """Read an attribution that `Attribution.save` wrote; requires no framework and runs no code of the file.

    Parameters
    ----------
    path : str, os.PathLike or binary file
        The ``.npz`` file; its suffix may be left out, as in `Attribution.save`. Or a file that is open for bytes.

    Returns
    -------
    Attribution
        Equal to the one that was saved.

    Raises
    ------
    AttributionFileError
        If the file is not a saved attribution, is truncated, or comes from a newer format.
    MissingFileError
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
    return read_fields(path, Attribution)
