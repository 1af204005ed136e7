"""The layers of two models, seen on the same examples where there are some."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.backends.protocol import Extension
from explain.errors import LayoutError, ModelCallError, PortError
from explain.parameters.canonical import ParameterLayer

Layers = tuple[ParameterLayer, ...]


def read_both(
    here: Extension, there: Extension, source_model: Any, target_model: Any, x: Any = None
) -> tuple[Layers, Layers]:
    """Give the layers with parameters of two models.

    Parameters
    ----------
    here, there : Extension
        Of the source and of the target.
    source_model, target_model : object
        The models.
    x : array_like, or tuple or dict of array_like, optional
        A batch, as the source takes it. The target is run on it too, its axes in the order that the target wants. One
        that does not take it so is read as without.

    Raises
    ------
    PortError
        If an extension does not read layers.
    ModelCallError
        If the source fails on `x`.
    """
    for extension in (here, there):
        _check_reads(extension)
    source = here.parameters(source_model, x)
    if x is not None:
        try:
            moved = as_taken(x, here, there, source_model, target_model)
            return source, there.parameters(target_model, moved)
        except (LayoutError, ModelCallError):
            # Its axes, or the names of its inputs, are others than can be known: only the source is seen.
            pass
    return source, there.parameters(target_model)


def _check_reads(extension: Extension) -> None:
    """Refuse an extension of somebody's own that gives scores and no layers."""
    if not hasattr(extension, "parameters"):
        raise PortError(
            f"The extension for {extension.name!r} does not read the layers of its models: it needs the methods "
            "parameters and write_parameters of explain.backends.protocol.Extension."
        )


def as_taken(x: Any, here: Extension, there: Extension, source_model: Any, target_model: Any) -> Any:
    """Give a batch, or several inputs, as the target takes it.

    Raises
    ------
    LayoutError
        If the order of its axes cannot be known.
    """
    if isinstance(x, Mapping):
        return {name: as_taken(one, here, there, source_model, target_model) for name, one in x.items()}
    if isinstance(x, tuple):
        return tuple(as_taken(one, here, there, source_model, target_model) for one in x)
    array = here.to_numpy(x) if here.is_tensor(x) else np.asarray(x)
    if array.ndim < 3 or array.dtype.kind != "f":
        return array
    first, second = (
        here.default_layout(source_model, array.ndim),
        there.default_layout(target_model, array.ndim),
    )
    return second.from_canonical(first.to_canonical(array))
