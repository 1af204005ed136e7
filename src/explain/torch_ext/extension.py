"""Recognises PyTorch models by their class, without importing PyTorch."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from explain.backends.lazy_extension import LazyExtension
from explain.keras.layers import is_keras_model, keras_backend, keras_formats

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class TorchExtension(LazyExtension):
    """The object of the entry point ``torch``; see `explain.backends.protocol.Extension`."""

    name = "torch"
    title = "PyTorch"
    package = "explain.torch_ext"
    backend_class = "TorchBackend"
    accepts = (
        "a torch.nn.Module (compiled, scripted or exported too), a keras.Model where Keras runs on torch, or a "
        "function of torch tensors with framework='torch'"
    )
    reference_engine = "captum"
    weight_formats: tuple[str, ...] = ("safetensors", "torch_pickle", "keras", "hdf5")

    @property
    def model_formats(self) -> tuple[str, ...]:
        """The formats of whole models: those of Keras too where it runs on torch."""
        return ("torchscript", "torch_export", *keras_formats(self.name))

    def recognises(self, model: object) -> bool:
        """Tell whether the class of a model is a PyTorch class; a Keras model counts only if Keras runs on torch."""
        if is_keras_model(model):
            return keras_backend(model) == "torch"
        kind: Any = type(model)
        return _is_own_class(kind)

    def is_tensor(self, value: object) -> bool:
        """Tell whether a value is a `torch.Tensor`; parameters are tensors too."""
        kind: Any = type(value)
        return _is_tensor_class(kind)

    def to_numpy(self, tensor: Any) -> npt.NDArray[Any]:
        """Copy a tensor to the host; bfloat16, which NumPy lacks, becomes float32."""
        host = tensor.detach().cpu()
        array: npt.NDArray[np.generic] = (
            host.float() if str(host.dtype) == "torch.bfloat16" else host
        ).numpy()
        return array


@lru_cache(maxsize=512)
def _is_tensor_class(kind: Any) -> bool:
    return any((base.__module__, base.__name__) == ("torch", "Tensor") for base in kind.__mro__)


@lru_cache(maxsize=512)
def _is_own_class(kind: Any) -> bool:
    return any(
        (base.__module__, base.__name__) in {("torch.nn.modules.module", "Module"), _EXPORTED}
        for base in kind.__mro__
    )


_EXPORTED = ("torch.export.exported_program", "ExportedProgram")


extension = TorchExtension()
