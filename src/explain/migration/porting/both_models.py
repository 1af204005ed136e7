"""The source and the target of a port, read and run on the same examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from explain.backends.protocol import Extension
from explain.errors import LayoutError, ModelCallError, PortError
from explain.parameters.canonical import ParameterLayer

Layers = tuple[ParameterLayer, ...]


@dataclass(frozen=True, eq=False)
class BothModels:
    """The source and the target of a port.

    Parameters
    ----------
    source, target : object
        The models.
    source_extension, target_extension : Extension
        The extensions of their frameworks.
    """

    source: Any
    target: Any
    source_extension: Extension
    target_extension: Extension

    def layers(self, x: Any = None) -> tuple[Layers, Layers]:
        """Give the layers with parameters of the source and of the target.

        Parameters
        ----------
        x : array_like, or tuple or dict of array_like, optional
            A batch, as the source takes it. The target runs on it too, with the axes in the target's order; if it does
            not accept the batch, its layers are read without examples.

        Raises
        ------
        PortError
            If an extension does not read layers.
        ModelCallError
            If the source fails on `x`.
        """
        for extension in (self.source_extension, self.target_extension):
            _check_reads_layers(extension)
        source = self.source_extension.parameters(self.source, x)
        if x is not None:
            try:
                return source, self.target_extension.parameters(self.target, self.as_target_takes(x))
            except (LayoutError, ModelCallError):
                # The order of its axes or the names of its inputs are unknown: read the target without examples.
                pass
        return source, self.target_extension.parameters(self.target)

    def as_target_takes(self, x: Any) -> Any:
        """Give a batch, or several inputs, in the layout of the target.

        Parameters
        ----------
        x : array_like, or tuple or dict of array_like
            As the source takes it.

        Raises
        ------
        LayoutError
            If the order of its axes is unknown.
        """
        if isinstance(x, Mapping):
            return {name: self.as_target_takes(one) for name, one in x.items()}
        if isinstance(x, tuple):
            return tuple(self.as_target_takes(one) for one in x)
        extension = self.source_extension
        array = extension.to_numpy(x) if extension.is_tensor(x) else np.asarray(x)
        if array.ndim < 3 or array.dtype.kind != "f":
            return array
        given = extension.default_layout(self.source, array.ndim)
        wanted = self.target_extension.default_layout(self.target, array.ndim)
        return wanted.from_canonical(given.to_canonical(array))


def _check_reads_layers(extension: Extension) -> None:
    """Refuse a third-party extension that cannot read the layers of a model."""
    if not hasattr(extension, "parameters"):
        raise PortError(
            f"The extension for {extension.name!r} does not read the layers of its models: it needs the methods "
            "parameters and write_parameters of explain.backends.protocol.Extension."
        )
