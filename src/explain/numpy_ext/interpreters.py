"""TFLite interpreters: resized for a batch, quantised inputs and outputs in real numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.backends import Array
from explain.errors import InputError, MissingFileError, UnsupportedModelError

_PACKAGES = frozenset({"tensorflow", "ai_edge_litert", "tflite_runtime"})

Detail = Mapping[str, Any]
"""What an interpreter says of one tensor."""


def is_interpreter(model: object) -> bool:
    """Recognise a TFLite interpreter by its class."""
    kind: Any = type(model)
    return _is_interpreter(kind)


@lru_cache(maxsize=512)
def _is_interpreter(kind: Any) -> bool:
    return any(
        base.__name__ == "Interpreter" and base.__module__.split(".")[0] in _PACKAGES for base in kind.__mro__
    )


def is_tflite_file(model: object) -> bool:
    """Recognise the path of a TFLite model by its suffix.

    Examples
    --------
    >>> is_tflite_file("model.tflite"), is_tflite_file("model.keras"), is_tflite_file(3)
    (True, False, False)
    """
    return isinstance(model, (str, PathLike)) and Path(model).suffix.lower() == ".tflite"


def interpreter_of(path: str | PathLike[str]) -> Any:
    """Open a TFLite model with the interpreter of LiteRT.

    Raises
    ------
    UnsupportedModelError
        If LiteRT is not installed.
    MissingFileError
        If there is no such file.
    """
    if not Path(path).exists():
        raise MissingFileError(f"There is no file {path}: check the name.")
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as cause:
        raise UnsupportedModelError(
            f"{path} is a TFLite model, but the package that reads it, ai-edge-litert, is not installed: install it "
            "(pip install ai-edge-litert), or give an interpreter, such as tf.lite.Interpreter(model_path=...)."
        ) from cause
    return Interpreter(model_path=str(path))


class TFLiteModel:
    """A TFLite interpreter as a function of arrays.

    Parameters
    ----------
    interpreter : object
        The interpreter of LiteRT or of TensorFlow. Its tensors are resized while a session lasts.

    Raises
    ------
    UnsupportedModelError
        If its first input has no batch axis or takes strings.
    """

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        self.inputs = _by_name(interpreter, "inputs")
        self._outputs = _by_name(interpreter, "outputs")
        first = next(iter(self.inputs.values()))
        dtype = np.dtype(first["dtype"])
        if dtype.kind not in "iubf" or not len(first["shape"]):
            raise UnsupportedModelError(
                f"model, a TFLite interpreter, takes {dtype} of shape {tuple(first['shape'])} as its first input "
                f"{first['name']!r}: only numbers with a batch axis can be explained. Give a function of an array with "
                "framework='numpy' that makes this input of it and runs the interpreter."
            )
        self.dtype = np.dtype(np.float32) if _scale(first) else dtype
        size = int(_signature(first)[0])
        self.fixed_batch_size = None if size < 0 else size

    @property
    def stated_shape(self) -> tuple[int | None, ...]:
        """The shape of an example, None for an open size."""
        sizes = _signature(next(iter(self.inputs.values())))[1:]
        return tuple(None if size < 0 else int(size) for size in sizes)

    @contextmanager
    def session(self) -> Iterator[None]:
        """Restore the sizes and the values of the input tensors on exit."""
        interpreter, kept = self._interpreter, []
        for detail in _details(interpreter, "inputs"):
            try:
                values = interpreter.get_tensor(detail["index"])
            # An interpreter whose tensors were never allocated has no values.
            except ValueError:
                values = None
            kept.append((detail["index"], detail["shape"], values))
        interpreter.allocate_tensors()
        try:
            yield
        finally:
            for index, shape, _ in kept:
                interpreter.resize_tensor_input(index, shape)
            interpreter.allocate_tensors()
            for index, _, values in kept:
                if values is not None:
                    interpreter.set_tensor(index, values)

    def __call__(self, *given: Array, **by_name: Array) -> dict[str, Array]:
        """Run the model on a batch; give its outputs by name, in real numbers.

        Raises
        ------
        InputError
            If several inputs are given by position, or a value is far outside the range of a quantised input.
        """
        names = list(self.inputs)
        if len(given) > 1:
            raise InputError(
                f"x contains {len(given)} inputs by position, but a TFLite model keeps no order of its inputs: give "
                f"x as a dict with the keys {', '.join(map(repr, names))}."
            )
        arrays = dict(zip(names, given, strict=False)) | by_name
        unknown = [name for name in arrays if name not in self.inputs]
        if unknown:
            raise InputError(
                f"x has the input {unknown[0]!r}, but the TFLite model has the inputs {', '.join(map(repr, names))}: "
                "give x as a dict with these keys."
            )
        tensors = {name: _tensor(name, np.asarray(one), self.inputs[name]) for name, one in arrays.items()}
        self._resize(tensors)
        interpreter = self._interpreter
        for name, tensor in tensors.items():
            interpreter.set_tensor(self.inputs[name]["index"], tensor)
        # A recurrent layer keeps its state from one call to the next.
        interpreter.reset_all_variables()
        interpreter.invoke()
        return {
            name: _real(interpreter.get_tensor(detail["index"]), detail)
            for name, detail in self._outputs.items()
        }

    def _resize(self, tensors: Mapping[str, Array]) -> None:
        """Give the input tensors the sizes of a batch, unless they are fixed: the interpreter then refuses others."""
        now = {detail["index"]: tuple(detail["shape"]) for detail in _details(self._interpreter, "inputs")}
        is_changed = False
        for name, tensor in tensors.items():
            detail = self.inputs[name]
            sizes = _signature(detail)
            fits = len(sizes) == tensor.ndim and all(
                size in (-1, given) for size, given in zip(sizes, tensor.shape, strict=True)
            )
            if fits and now[detail["index"]] != tensor.shape:
                self._interpreter.resize_tensor_input(detail["index"], tensor.shape)
                is_changed = True
        if is_changed:
            self._interpreter.allocate_tensors()


def _by_name(interpreter: Any, which: str) -> dict[str, Detail]:
    """Give the details of the inputs or outputs by the names of the signature, in their order, else of the tensors.

    The order of the tensors themselves is not that of the model.
    """
    if len(interpreter.get_signature_list()) != 1:
        return {detail["name"]: detail for detail in _details(interpreter, which)}
    runner = interpreter.get_signature_runner()
    named = runner.get_input_details() if which == "inputs" else runner.get_output_details()
    # Names are sorted as texts, with output_10 before output_2.
    return dict(sorted(named.items(), key=lambda item: _in_numbers(item[0])))


def _in_numbers(name: str) -> list[tuple[int, str]]:
    """Split a name so that its numbers are compared as such.

    Examples
    --------
    >>> sorted(["output_10", "output_2"], key=_in_numbers)
    ['output_2', 'output_10']
    """
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _details(interpreter: Any, which: str) -> list[Detail]:
    found: list[Detail] = (
        interpreter.get_input_details() if which == "inputs" else interpreter.get_output_details()
    )
    return found


def _signature(detail: Detail) -> npt.NDArray[np.int32]:
    """Give the sizes of a tensor, -1 for open ones."""
    sizes: npt.NDArray[np.int32] = detail.get("shape_signature", detail["shape"])
    return sizes if len(sizes) else detail["shape"]


def _scale(detail: Detail) -> float:
    """Give the scale of a quantised tensor, 0 for any other."""
    return float(detail["quantization"][0])


def _tensor(name: str, array: Array, detail: Detail) -> Array:
    """Give an array in the type of an input: real numbers are quantised by its scale and zero point."""
    scale, dtype = _scale(detail), detail["dtype"]
    if not scale:
        cast: Array = array.astype(dtype, copy=False)
        return cast
    zero, whole = int(detail["quantization"][1]), np.iinfo(dtype)
    least, most = scale * (whole.min - zero), scale * (whole.max - zero)
    width = most - least
    if array.min(initial=least) < least - width or array.max(initial=most) > most + width:
        raise InputError(
            f"x has values from {array.min():.4g} to {array.max():.4g}, but the input {name!r} of the TFLite model is "
            f"quantised ({np.dtype(dtype)}, scale {scale:.4g}, zero point {zero}) and holds {least:.4g} to {most:.4g}: "
            "give real numbers in the units of the model before it was quantised, scale * (q - zero_point) for a "
            "quantised q."
        )
    # Halves are rounded away from zero, as TFLite does.
    steps = array.astype(np.float64) / scale
    rounded = np.trunc(steps + np.copysign(0.5, steps)) + zero
    quantised: Array = np.clip(rounded, whole.min, whole.max).astype(dtype)
    return quantised


def _real(array: Array, detail: Detail) -> Array:
    """Give an output in real numbers."""
    scale = _scale(detail)
    if not scale:
        return array
    real: Array = np.float32(scale) * (array.astype(np.float32) - np.float32(detail["quantization"][1]))
    return real
