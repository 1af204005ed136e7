"""The result of an explanation: plain NumPy values and all that made them."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from explain.errors import AttributionFileError
from explain.files.atomic_write import replace_file
from explain.inputs.display import Display
from explain.inputs.layout import Layout

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMAT = "explain-attribution"
FORMAT_VERSION = 4

# The fields that are arrays; the rest is plain data and goes into the file as JSON.
_ARRAYS = (
    "values",
    "inputs",
    "baseline",
    "scores",
    "predicted",
    "delta",
    "relative_delta",
    "steps",
    "map_error",
    "mask",
    "history",
)


@dataclass(frozen=True, eq=False)
class Attribution:
    """What a model used in its inputs, as signed values of the inputs' own shape.

    Attributes
    ----------
    values : numpy.ndarray of float32
        The attribution, signed, of the shape and in the layout of the input, e.g. (N, C, H, W). For
        activation maximization: the input that was found.
    inputs : numpy.ndarray of float32
        What was explained (for activation maximization: where it started), of the same shape.
    layout : str
        One letter an axis: N batch, C channels or features, T time, D, H, W space.
    method, engine, framework : str
        Canonical name of the method, who computed it (``"explain"``, ``"captum"``, ``"tf-explain"``) and
        the framework of the model (``"torch"``, ``"tensorflow"``…).
    model : str
        Class name of the model.
    layer : str
        The layer that was explained, whose output `inputs` then are, or whose map was taken, or of which a neuron
        was asked; empty without one.
    neuron : tuple
        The unit of that layer that was asked for, for each example: an int or a tuple of int; empty without one.
    target : tuple
        What was explained for each of the N examples: an int, a tuple of int (an index into outputs of
        higher rank), the name of a callable, or None for a model with a single output.
    score : str
        The kind of the explained scalar: ``"logit"``, ``"probability"``, ``"log_probability"`` or
        ``"output"`` (the model's output as it is).
    scores : numpy.ndarray
        The explained scalar of each example, shape (N,).
    predicted : numpy.ndarray of int, optional
        The predicted class of each example, shape (N,), where the model has classes.
    baseline : numpy.ndarray, optional
        What the input was compared with, of the input's shape, for methods that compare with one baseline.
    baseline_rule : Mapping
        How the baseline came about, e.g. ``{"rule": "blur", "sigma": 3.2}``. For methods that compare with a set:
        ``{"rule": "references", "count": 64}``; the references themselves are not kept.
    delta, relative_delta : numpy.ndarray, optional
        Convergence delta of each example, shape (N,): the sum of the values minus the difference of the
        scores at input and baseline; and its size relative to that difference.
    steps : numpy.ndarray of int, optional
        For methods that integrate: how many gradients each example's integral is made of, shape (N,).
    rule : str
        For methods that integrate: the rule of integration that was used, e.g. ``"midpoint"``; else empty.
    map_error : numpy.ndarray of float, optional
        Estimated distance of each example's map from the exact integral, ``‖map − exact‖ / ‖map‖``, shape (N,):
        a bound that holds for about 95 % of examples. Where the steps allow an estimate.
    batch_size : int, optional
        How many points were in memory at once; in single precision it decides last bits.
    mask : numpy.ndarray of bool, optional
        For padded sequences: True where a step is real, shape (N, T).
    history : numpy.ndarray, optional
        For activation maximization: the score before every step and after the last, shape (steps + 1, N).
    options : Mapping
        Every option of the method, defaults filled in.
    seed : int
        The seed of everything random.
    versions : Mapping
        Versions of `explain`, of the framework and of NumPy.
    notes : tuple of str
        The warnings that were given.
    display : Display
        How to draw the input as it was before normalisation, and the names of classes, steps and features.
    input_name : str
        Of a model that was given several inputs: which of them this is, by its key or position; else empty.
    together : tuple of str
        The inputs that were moved together with it, itself among them: `delta` is then that of the sum of all their
        values. Empty for one that was explained by itself.

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
    display: Display = field(default_factory=Display)
    input_name: str = ""
    together: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Give the number of examples."""
        return int(self.values.shape[Layout(self.layout).batch_axis])

    def __repr__(self) -> str:
        """Name the method, the model and the shape; the arrays themselves would hide it."""
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

    def plot(self, **options: Any) -> Figure:
        """Draw the attribution; see `explain.render.plot` for the options.

        Returns
        -------
        matplotlib.figure.Figure
            Input, heatmap, overlay and colour bar of each example, with target, score and delta.
        """
        from explain.render import plot

        return plot(self, **options)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the attribution to one ``.npz`` file: arrays and JSON, no pickle.

        The file is written under a temporary name and renamed, so that a failure leaves an older file
        whole. The same attribution gives the same bytes.

        Parameters
        ----------
        path : str or os.PathLike
            Where to write; ``.npz`` is added if it is missing.

        Returns
        -------
        pathlib.Path
            The file that was written.
        """
        target = Path(path)
        if target.suffix != ".npz":
            target = target.with_name(target.name + ".npz")
        arrays = {name: getattr(self, name) for name in _ARRAYS if getattr(self, name) is not None}
        plain = {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
            if name not in _ARRAYS and name != "display"
        }
        header = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            **plain,
            "display": self.display.to_json(),
        }
        text = json.dumps(header, default=_plain, sort_keys=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        stream = io.BytesIO()
        np.savez_compressed(stream, header=np.array(text), **arrays)
        replace_file(target, stream.getvalue())
        return target


def load(path: str | os.PathLike[str]) -> Attribution:
    """Read an attribution that `Attribution.save` wrote; needs neither framework and runs no code of the file.

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
    remedy = "Give a file that Attribution.save wrote; if it was cut off on its way, copy it again."
    if path.exists() and not zipfile.is_zipfile(path):
        # Asked first, since NumPy's own message for a stranger's file advises to load it unsafely.
        raise AttributionFileError(f"{path} is not a saved attribution: it is no .npz archive. {remedy}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise
    # A damaged archive may raise anything: zlib.error, NotImplementedError for a flipped compression flag...
    except Exception as cause:
        raise AttributionFileError(
            f"{path} cannot be read as a saved attribution ({cause}). {remedy}"
        ) from cause
    try:
        header = json.loads(str(found.pop("header")))
        if header.pop("format") != FORMAT:
            raise KeyError("format")
        version = header.pop("format_version")
        if version > FORMAT_VERSION:
            raise AttributionFileError(
                f"{path} has format version {version}; this explain reads up to {FORMAT_VERSION}. "
                "Upgrade explain-toolkit to read it."
            )
        header["display"] = Display.from_json(header["display"])
        for name in ("target", "neuron"):
            listed = header.get(name, ())
            header[name] = tuple(tuple(one) if isinstance(one, list) else one for one in listed)
        header["notes"] = tuple(header["notes"])
        header["together"] = tuple(header.get("together", ()))
        result = Attribution(**header, **found)
        Layout(result.layout).check(result.values)
        if result.values.shape != result.inputs.shape:
            raise ValueError(f"values {result.values.shape} and inputs {result.inputs.shape} differ in shape")
        _check_numbers(result)
        return result
    except AttributionFileError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as cause:
        raise AttributionFileError(f"{path} is not a saved attribution ({cause!r}). {remedy}") from cause


def _check_numbers(attribution: Attribution) -> None:
    """Refuse what should hold one number for each example and does not: it would fail in a picture, later."""
    expected = (len(attribution),)
    for name in ("scores", "delta", "relative_delta", "steps", "map_error"):
        array = getattr(attribution, name)
        if array is None:
            continue
        if array.shape != expected or array.dtype.kind not in ("iu" if name == "steps" else "iuf"):
            raise ValueError(
                f"{name} should hold a number for each example, shape {expected}: it has shape {array.shape} and "
                f"dtype {array.dtype}"
            )


def _plain(value: Any) -> Any:
    """Turn what JSON does not know into what it does: NumPy scalars, arrays and mappings."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be saved as plain data: {value!r}")
