"""Recognises PyTorch's models from their class, without importing PyTorch."""

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


class TorchExtension:
    """What the entry point ``torch`` gives; see `explain.backend.Extension`."""

    name = "torch"
    accepts = (
        "a torch.nn.Module (compiled, scripted or exported too), a keras.Model where Keras runs on torch, or a "
        "function of torch tensors with framework='torch'"
    )
    reference_engine = "captum"

    def recognises(self, model: object) -> bool:
        """Tell from the class alone; a Keras model is ours only where Keras itself runs on torch."""
        if is_keras_model(model):
            return keras_backend() == "torch"
        return any(
            (base.__module__, base.__name__) in {("torch.nn.modules.module", "Module"), _EXPORTED}
            for base in type(model).__mro__
        )

    def is_tensor(self, value: object) -> bool:
        """Tell a `torch.Tensor`, and parameters, which are tensors too."""
        return any((base.__module__, base.__name__) == ("torch", "Tensor") for base in type(value).__mro__)

    def to_numpy(self, tensor: Any) -> npt.NDArray[Any]:
        """Copy to the host; bfloat16, which NumPy does not know, comes as float32."""
        host = tensor.detach().cpu()
        array: npt.NDArray[np.generic] = (
            host.float() if str(host.dtype) == "torch.bfloat16" else host
        ).numpy()
        return array

    def version(self) -> str:
        """Give the version of PyTorch."""
        return str(self._module("torch").__version__)

    def default_layout(self, model: Any, ndim: int) -> Layout:
        """Give the layout that is usual for the model's first layers."""
        layout: Layout = self._own("inspection").default_layout(model, ndim)
        return layout

    def stated_input_shape(self, model: Any) -> tuple[int | None, ...] | None:
        """Give ``model.input_shape``, which the seed models have."""
        shape: tuple[int | None, ...] | None = self._own("inspection").stated_input_shape(model)
        return shape

    def stated_bounds(self, model: Any) -> tuple[float, float] | None:
        """Give ``model.input_bounds``, which the seed models have."""
        return getattr(model, "input_bounds", None)

    def open(self, model: Any, question: Question, like: Any) -> Backend:
        """Open a model."""
        backend: Backend = self._own("backend").TorchBackend(model, question, like)
        return backend

    def run_reference_engine(self, problem: Problem) -> Found:
        """Run the problem in Captum."""
        found: Found = self._own("reference_engine").run(problem)
        return found

    def _own(self, module: str) -> Any:
        """Import one of our modules that imports PyTorch."""
        self._module("torch")
        return importlib.import_module(f"explain.torch_ext.{module}")

    def _module(self, name: str) -> Any:
        try:
            return importlib.import_module(name)
        except ImportError as cause:
            raise FrameworkNotInstalledError(
                f"PyTorch cannot be imported ({cause}): install it with pip install 'explain-toolkit[torch]'."
            ) from cause


_EXPORTED = ("torch.export.exported_program", "ExportedProgram")


extension = TorchExtension()
