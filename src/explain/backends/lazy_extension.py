"""An extension that imports its framework when it opens a model, and not before."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from explain.backends.found import Found
from explain.backends.observation import Observation
from explain.backends.protocol import Backend, PosedProblem
from explain.backends.question import Question
from explain.errors import FrameworkNotInstalledError
from explain.inputs.layout import Layout
from explain.parameters.canonical import ParameterLayer


class LazyExtension:
    """The common base of our extensions: it calls modules that import the framework, and imports them on first use.

    A subclass defines the names below, and recognises models and tensors without importing anything.
    """

    name: str
    """Name of the framework, as in ``framework=``, of its module, and of its extra."""

    title: str
    """Name of the framework for messages."""

    package: str
    """The package of the modules ``backend``, ``model.inspection`` and ``reference_engine``."""

    backend_class: str
    """Name of the class in ``backend``."""

    model_suffixes: tuple[str, ...] = ()
    """Suffixes of files in formats of its own: none."""

    def version(self) -> str:
        """Give the version of the framework."""
        return str(self._framework().__version__)

    def default_layout(self, model: Any, ndim: int) -> Layout:
        """Give the usual layout for the model's first layers."""
        layout: Layout = self._own("model.inspection").default_layout(model, ndim)
        return layout

    def stated_input_shape(self, model: Any) -> tuple[int | None, ...] | None:
        """Give ``model.input_shape`` without the batch axis, if the model has it."""
        shape: tuple[int | None, ...] | None = self._own("model.inspection").stated_input_shape(model)
        return shape

    def reads_token_ids(self, model: Any) -> bool:
        """Tell whether the model has an accessible embedding layer."""
        found: bool = self._own("model.inspection").reads_token_ids(model)
        return found

    def stated_bounds(self, model: Any) -> tuple[float, float] | None:
        """Give ``model.input_bounds``, which the seed models have."""
        return getattr(model, "input_bounds", None)

    def open(self, model: Any, question: Question, like: Any) -> Backend:
        """Open a model."""
        backend: Backend = getattr(self._own("backend"), self.backend_class)(model, question, like)
        return backend

    def run_reference_engine(self, problem: PosedProblem) -> Found:
        """Run the problem in the reference engine."""
        found: Found = self._own("reference_engine").run(problem)
        return found

    def load_model(self, path: Path, file_format: str = "", device: str | None = None) -> Any:
        """Read a model from a file."""
        return self._own("model_files").load_model(path, file_format, device)

    def load_weights(self, model: Any, path: Path, file_format: str) -> Any:
        """Write the weights in a file to a model."""
        return self._own("model_files").load_weights(model, path, file_format)

    def parameters(self, model: Any, x: Any = None) -> tuple[ParameterLayer, ...]:
        """Give the layers with parameters, in canonical axes; with a batch in the order of their use."""
        layers: tuple[ParameterLayer, ...] = self._own("parameters.read_and_write").read_parameters(model)
        if x is not None:
            layers = self._own("parameters.use").as_used_on(model, layers, x)
        return layers

    def observe(self, model: Any, *inputs_and_layout: Any, **options: Any) -> Observation | None:
        """Run a model unchanged, and give the outputs of the model and its layers."""
        observe = self._own("model.observation").observe
        observed: Observation | None = observe(model, *inputs_and_layout, **options)
        return observed

    def write_parameters(self, model: Any, layers: Sequence[ParameterLayer]) -> None:
        """Write the tensors of `layers` to a model's layers, all or none."""
        self._own("parameters.read_and_write").write_parameters(model, layers)

    def raw_parameters(self, model: Any) -> tuple[ParameterLayer, ...]:
        """Give the weights as the framework stores them, of a model whose layers cannot be read in canonical axes."""
        layers: tuple[ParameterLayer, ...] = self._own("parameters.read_and_write").read_raw_parameters(model)
        return layers

    def write_raw_parameters(self, model: Any, layers: Sequence[ParameterLayer]) -> None:
        """Write what `raw_parameters` gives, all or none."""
        self._own("parameters.read_and_write").write_raw_parameters(model, layers)

    def copied(self, model: Any) -> Any | None:
        """Give a copy of a model with weights of its own; None where no copy is sure to compute the same."""
        return self._own("parameters.weights").copied(model)

    def preserved_weights(self, model: Any) -> AbstractContextManager[None]:
        """Put all weights and buffers of a model back on any exit, bit for bit."""
        preserved: AbstractContextManager[None] = self._own("parameters.weights").preserved_weights(model)
        return preserved

    def _own(self, module: str) -> Any:
        """Import one of the package's modules that imports the framework."""
        self._framework()
        name = f"{self.package}.{module}"
        # For a loaded module this takes a fraction of the time of import_module.
        return sys.modules.get(name) or importlib.import_module(name)

    def _framework(self) -> Any:
        loaded = sys.modules.get(self.name)
        if loaded is not None:
            return loaded
        try:
            return importlib.import_module(self.name)
        except ImportError as cause:
            raise FrameworkNotInstalledError(
                f"{self.title} cannot be imported ({cause}): install it with "
                f"pip install 'explain-toolkit[{self.name}]'."
            ) from cause
