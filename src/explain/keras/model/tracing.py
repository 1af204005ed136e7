"""Traces of computations, cached as long as the model exists, whichever framework Keras runs on."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Mapping
from typing import Any

Beside = tuple[Mapping[str, Any], tuple[Any, ...], tuple[Any, ...], tuple[Any, ...], tuple[Any, ...], Any]
"""The arguments beside the points, one row per example: companions, mask (none or one), fixed Keras masks, the model's
own inputs if the points are outputs of a layer, inputs that stay fixed, target indices."""

Asked = tuple[Callable[..., Any], tuple[Hashable, ...]]
"""A computation that is traced, and its static arguments."""

_traces: weakref.WeakKeyDictionary[Any, dict[Any, Any]] = weakref.WeakKeyDictionary()


def traces_of(model: Any) -> dict[Any, Any]:
    """Give the cached traces of a model, each the framework's own; the cache does not keep the model alive."""
    return _traces.setdefault(model, {})
