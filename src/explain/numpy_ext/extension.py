"""Recognises models of NumPy arrays by their class, without importing any library."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.backends import (
    Array,
    Examples,
    Found,
    Layout,
    Observation,
    ParameterLayer,
    PosedProblem,
    Question,
    Wiring,
    default_layout,
)
from explain.errors import EngineError, ModelFileError, PortError
from explain.numpy_ext.backend import NumPyBackend
from explain.numpy_ext.callables import array_function, is_estimator, is_session, stated_shape
from explain.numpy_ext.interpreters import is_interpreter, is_tflite_file
from explain.numpy_ext.model_files import onnx_session, tflite_interpreter


class NumPyExtension:
    """The object of the entry point ``numpy``; see `explain.backends.Extension`."""

    name = "numpy"
    accepts = (
        "a scikit-learn estimator or a method of one, an onnxruntime.InferenceSession, a TFLite interpreter or the "
        "path of a .tflite file, or a function of NumPy arrays with framework='numpy'"
    )
    reference_engine: str | None = None
    model_suffixes: tuple[str, ...] = ()
    model_formats: tuple[str, ...] = ("onnx", "tflite")
    weight_formats: tuple[str, ...] = ()

    def recognises(self, model: object) -> bool:
        """Tell by the class alone."""
        by_class = is_session(model) or is_interpreter(model) or is_estimator(model)
        return by_class or is_tflite_file(model) or is_estimator(getattr(model, "__self__", None))

    def is_tensor(self, value: object) -> bool:
        """Return False: arrays need no extension."""
        return False

    def to_numpy(self, tensor: Any) -> npt.NDArray[Any]:
        """Give an array unchanged."""
        return np.asarray(tensor)

    def version(self) -> str:
        """Give the version of NumPy."""
        return np.__version__

    def default_layout(self, model: Any, ndim: int) -> Layout:
        """Give channels last, as in pictures read from files; channels first for a session."""
        return default_layout(ndim, "first" if is_session(model) else "last")

    def stated_input_shape(self, model: Any) -> tuple[int | None, ...] | None:
        """Give the shape that a session or an interpreter states."""
        return stated_shape(model)

    def reads_token_ids(self, model: Any) -> bool:
        """Return False: layers cannot be accessed."""
        return False

    def stated_bounds(self, model: Any) -> tuple[float, float] | None:
        """Give ``model.input_bounds``, if the model has it."""
        return getattr(model, "input_bounds", None)

    def open(self, model: Any, question: Question, like: Any) -> NumPyBackend:
        """Open a model."""
        return NumPyBackend(array_function(model, question.score), question, like)

    def run_reference_engine(self, problem: PosedProblem) -> Found:
        """Raise an error: there is none."""
        raise EngineError("There is no reference engine for functions of arrays: use engine='explain'.")

    def load_model(self, path: Path, file_format: str = "", device: str | None = None) -> Any:
        """Open an ONNX or TFLite model; raise an error for an estimator: it is saved as a pickle, which is not read."""
        if file_format == "onnx":
            return onnx_session(path, device)
        if file_format == "tflite" or is_tflite_file(path):
            return tflite_interpreter(path, device)
        raise ModelFileError(
            f"{path} is not a model file of a framework: load the model yourself, and give it."
        )

    def load_weights(self, model: Any, path: Path, file_format: str) -> Any:
        """Raise an error: the weights of a function of arrays cannot be accessed."""
        raise ModelFileError(
            f"{path} cannot be given to a {type(model).__name__}, whose weights cannot be accessed: give the model "
            "itself, with its weights."
        )

    def observe(
        self,
        model: Any,
        inputs: Sequence[Array | None],
        layout: Layout,
        wiring: Wiring | None = None,
        *,
        layers: bool = True,
    ) -> Observation:
        """Run a model and give its outputs: layers cannot be accessed."""
        given = [one for one in inputs if one is not None]
        backend = self.open(model, Question(layout, score="output", wiring=wiring), given[0])
        axes = [layout.batch_axis] if wiring is None else wiring.batch_axes
        first = [
            None if one is None else np.moveaxis(one, axis, 0) for one, axis in zip(inputs, axes, strict=True)
        ]
        moved = tuple(one for one in first if one is not None and one.dtype.kind == "f")
        unmoved = tuple(one for one in first if one is not None and one.dtype.kind != "f")
        examples = Examples(moved, unmoved=unmoved) if wiring is not None else Examples(moved or unmoved)
        with backend.session():
            return Observation(backend.all_outputs(examples), is_opaque=True)

    def parameters(self, model: Any, x: Any = None) -> tuple[ParameterLayer, ...]:
        """Raise an error: layers cannot be accessed."""
        raise PortError(
            f"model is of type {type(model).__name__}, whose layers cannot be accessed: give a torch.nn.Module or a "
            "keras.Model."
        )

    def write_parameters(self, model: Any, layers: Sequence[ParameterLayer]) -> None:
        """Raise an error, as above."""
        self.parameters(model)

    def raw_parameters(self, model: Any) -> tuple[ParameterLayer, ...]:
        """Raise an error, as above."""
        return self.parameters(model)

    def write_raw_parameters(self, model: Any, layers: Sequence[ParameterLayer]) -> None:
        """Raise an error, as above."""
        self.parameters(model)

    def copied(self, model: Any) -> Any | None:
        """Return None: what a function computes with cannot be copied."""
        return None

    def preserved_weights(self, model: Any) -> AbstractContextManager[None]:
        """Put back nothing: no weights can be changed."""
        return nullcontext()


extension = NumPyExtension()
