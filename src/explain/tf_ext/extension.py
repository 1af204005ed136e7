"""Recognises TensorFlow models by their class, without importing TensorFlow."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from explain.inputs.text.spelling import StringReaders
from explain.keras.extension import KerasExtension
from explain.keras.layers import is_keras_model, keras_backend, keras_formats
from explain.keras.strings import string_readers

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class TensorFlowExtension(KerasExtension):
    """The object of the entry point ``tensorflow``; see `explain.backends.protocol.Extension`."""

    name = "tensorflow"
    title = "TensorFlow"
    package = "explain.tf_ext"
    backend_class = "TensorFlowBackend"
    accepts = (
        "a built keras.Model where Keras runs on TensorFlow, a tf.Module, tf.function or SavedModel that can "
        "be called, or a function of TensorFlow tensors with framework='tensorflow'"
    )
    reference_engine = "tf-explain"

    @property
    def model_formats(self) -> tuple[str, ...]:
        """The formats of whole models: those of Keras too where it runs on TensorFlow."""
        return ("saved_model", *keras_formats(self.name))

    def string_readers(self, model: Any) -> StringReaders | None:
        """Tell how a model reads strings; None if it reads none."""
        return string_readers(model) if is_keras_model(model) else StringReaders()

    def recognises(self, model: object) -> bool:
        """Tell whether a model's class is a TensorFlow class; a Keras model counts only if Keras runs on TensorFlow."""
        if is_keras_model(model):
            return keras_backend(model) == "tensorflow"
        kind: Any = type(model)
        return _is_own_class(kind) and not self.is_tensor(model)

    def is_tensor(self, value: object) -> bool:
        """Tell whether a value is a tensor or variable of TensorFlow or of Keras."""
        return any(
            base.__module__.split(".")[0] in ("tensorflow", "keras")
            and base.__name__ in ("Tensor", "EagerTensor", "Variable")
            for base in type(value).__mro__
        )

    def to_numpy(self, tensor: Any) -> npt.NDArray[Any]:
        """Copy a tensor to the host; bfloat16, which NumPy lacks, becomes float32."""
        array: npt.NDArray[np.generic] = tensor.numpy()
        return array.astype("float32") if array.dtype.name == "bfloat16" else array


@lru_cache(maxsize=512)
def _is_own_class(kind: Any) -> bool:
    return any(base.__module__.split(".")[0] == "tensorflow" for base in kind.__mro__)


extension = TensorFlowExtension()
