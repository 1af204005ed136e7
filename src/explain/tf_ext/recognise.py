"""Recognises TensorFlow's models from their class, without importing TensorFlow."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from explain.backend import Backend, Question
from explain.errors import FrameworkNotInstalledError
from explain.keras_layers import is_keras_model, keras_backend
from explain.layout import Layout

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from explain.problem import Found, Problem


class TensorFlowExtension:
    """What the entry point ``tensorflow`` gives; see `explain.backend.Extension`."""

    name = "tensorflow"
    accepts = (
        "a built keras.Model where Keras runs on TensorFlow, a tf.Module, tf.function or SavedModel that can "
        "be called, "
        "or a function of TensorFlow tensors with framework='tensorflow'"
    )
    reference_engine = "tf-explain"

    def recognises(self, model: object) -> bool:
        """Tell from the class alone; a Keras model is ours only where Keras itself runs on TensorFlow."""
        if is_keras_model(model):
            return keras_backend() == "tensorflow"
        return any(
            base.__module__.split(".")[0] == "tensorflow" for base in type(model).__mro__
        ) and not self.is_tensor(model)

    def is_tensor(self, value: object) -> bool:
        """Tell a `tf.Tensor` or `tf.Variable`, of TensorFlow's own or of Keras."""
        return any(
            base.__module__.split(".")[0] in ("tensorflow", "keras")
            and base.__name__ in ("Tensor", "EagerTensor", "Variable")
            for base in type(value).__mro__
        )

    def to_numpy(self, tensor: Any) -> npt.NDArray[Any]:
        """Copy to the host; bfloat16, which NumPy does not know, comes as float32."""
        array: npt.NDArray[np.generic] = tensor.numpy()
        return array.astype("float32") if array.dtype.name == "bfloat16" else array

    def version(self) -> str:
        """Give the version of TensorFlow."""
        return str(self._module("tensorflow").__version__)

    def default_layout(self, model: Any, ndim: int) -> Layout:
        """Give the layout that is usual for the model's first layers."""
        layout: Layout = self._own("inspection").default_layout(model, ndim)
        return layout

    def stated_input_shape(self, model: Any) -> tuple[int | None, ...] | None:
        """Give ``model.input_shape``, which built Keras models have."""
        shape: tuple[int | None, ...] | None = self._own("inspection").stated_input_shape(model)
        return shape

    def stated_bounds(self, model: Any) -> tuple[float, float] | None:
        """Give ``model.input_bounds``, which the seed models have."""
        return getattr(model, "input_bounds", None)

    def open(self, model: Any, question: Question, like: Any) -> Backend:
        """Open a model."""
        backend: Backend = self._own("backend").TensorFlowBackend(model, question, like)
        return backend

    def run_reference_engine(self, problem: Problem) -> Found:
        """Run the problem in tf-explain."""
        found: Found = self._own("reference_engine").run(problem)
        return found

    def _own(self, module: str) -> Any:
        """Import one of our modules that imports TensorFlow."""
        self._module("tensorflow")
        return importlib.import_module(f"explain.tf_ext.{module}")

    def _module(self, name: str) -> Any:
        try:
            return importlib.import_module(name)
        except ImportError as cause:
            raise FrameworkNotInstalledError(
                f"TensorFlow cannot be imported ({cause}): install it with pip install 'explain-toolkit[tensorflow]'."
            ) from cause


extension = TensorFlowExtension()
