"""Recognises what computes with NumPy arrays from its class, without importing any library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from explain.backends.protocol import Backend, Question
from explain.errors import EngineError, PortError, UnsupportedModelError
from explain.inputs.examples import Array
from explain.inputs.layout import Layout, default_layout
from explain.inputs.wiring import Wiring
from explain.numpy_ext.backend import NumPyBackend
from explain.numpy_ext.callables import array_function, is_estimator, is_session, stated_shape
from explain.parameters.canonical import ParameterLayer

if TYPE_CHECKING:
    from explain.running.problem import Found, Problem


class NumPyExtension:
    """What the entry point ``numpy`` gives; see `explain.backends.protocol.Extension`."""

    name = "numpy"
    accepts = (
        "a scikit-learn estimator or a method of one, an onnxruntime.InferenceSession, or a function of NumPy arrays "
        "with framework='numpy'"
    )
    reference_engine: str | None = None
    model_suffixes: tuple[str, ...] = ()

    def recognises(self, model: object) -> bool:
        """Tell from the class alone."""
        return is_session(model) or is_estimator(model) or is_estimator(getattr(model, "__self__", None))

    def is_tensor(self, value: object) -> bool:
        """Tell nothing for a tensor: arrays are known everywhere."""
        return False

    def to_numpy(self, tensor: Any) -> npt.NDArray[Any]:
        """Give an array as it is."""
        return np.asarray(tensor)

    def version(self) -> str:
        """Give the version of NumPy."""
        return np.__version__

    def default_layout(self, model: Any, ndim: int) -> Layout:
        """Give channels last, as in pictures read from files; a session's pictures have their channels first."""
        return default_layout(ndim, "first" if is_session(model) else "last")

    def stated_input_shape(self, model: Any) -> tuple[int | None, ...] | None:
        """Give the shape that a session states."""
        return stated_shape(model)

    def reads_token_ids(self, model: Any) -> bool:
        """Tell that nothing is seen of the inside."""
        return False

    def stated_bounds(self, model: Any) -> tuple[float, float] | None:
        """Give ``model.input_bounds``, where there is such a thing."""
        return getattr(model, "input_bounds", None)

    def open(self, model: Any, question: Question, like: Any) -> Backend:
        """Open a model."""
        return NumPyBackend(array_function(model, question.score), question, like)

    def run_reference_engine(self, problem: Problem) -> Found:
        """Refuse: there is none."""
        raise EngineError("There is no reference engine for functions of arrays: use engine='explain'.")

    def load_model(self, path: Path) -> Any:
        """Refuse: what estimators are kept in are pickles."""
        raise UnsupportedModelError(
            f"{path} is a file of no framework: read it yourself, and give the model."
        )

    def observe(
        self,
        model: Any,
        inputs: Sequence[Array | None],
        layout: Layout,
        wiring: Wiring | None = None,
        *,
        layers: bool = True,
    ) -> None:
        """Give none: no layer is seen, and what the model gives its backend gives."""

    def parameters(self, model: Any, x: Any = None) -> tuple[ParameterLayer, ...]:
        """Refuse: no layer is seen."""
        raise PortError(
            f"model is of type {type(model).__name__}, whose layers cannot be seen: give a torch.nn.Module or a "
            "keras.Model."
        )

    def write_parameters(self, model: Any, layers: Sequence[ParameterLayer]) -> None:
        """Refuse, as above."""
        self.parameters(model)


extension = NumPyExtension()
