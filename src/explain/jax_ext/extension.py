"""Recognises models that run on JAX by their class, without importing JAX."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from explain.keras.extension import KerasExtension
from explain.keras.layers import is_keras_model, keras_backend, keras_formats

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class JaxExtension(KerasExtension):
    """The object of the entry point ``jax``; see `explain.backends.protocol.Extension`."""

    name = "jax"
    title = "JAX"
    package = "explain.jax_ext"
    backend_class = "JaxBackend"
    accepts = (
        "a built keras.Model where Keras runs on JAX, a function that jax.jit made, or a function of JAX arrays with "
        "framework='jax'"
    )
    reference_engine = None

    @property
    def model_formats(self) -> tuple[str, ...]:
        """The formats of whole models: those of Keras where it runs on JAX."""
        return keras_formats(self.name)

    def recognises(self, model: object) -> bool:
        """Tell whether a model is a compiled function of JAX, or a Keras model where Keras runs on JAX."""
        if is_keras_model(model):
            return keras_backend(model) == "jax"
        kind: Any = type(model)
        return _is_compiled(kind)

    def is_tensor(self, value: object) -> bool:
        """Tell whether a value is a `jax.Array`."""
        kind: Any = type(value)
        return _is_array(kind)

    def to_numpy(self, tensor: Any) -> npt.NDArray[Any]:
        """Copy an array to the host; bfloat16, which NumPy lacks, becomes float32."""
        array: npt.NDArray[np.generic] = tensor.__array__().copy()
        return array.astype("float32") if array.dtype.name == "bfloat16" else array


@lru_cache(maxsize=512)
def _is_array(kind: Any) -> bool:
    return any(base.__module__.startswith("jaxlib") and base.__name__ == "ArrayImpl" for base in kind.__mro__)


@lru_cache(maxsize=512)
def _is_compiled(kind: Any) -> bool:
    return bool(kind.__module__.startswith("jaxlib") and kind.__name__ == "PjitFunction")


extension = JaxExtension()
