"""What was observed of models, kept as long as their structure is the same."""

from __future__ import annotations

import weakref
from collections.abc import Hashable
from typing import Any

_observed: weakref.WeakKeyDictionary[Any, tuple[Hashable, dict[Hashable, Any]]] = weakref.WeakKeyDictionary()


def observed_of(model: Any, token: Hashable) -> dict[Hashable, Any]:
    """Give the cached observations of a model of this structure, to read and to add to.

    A model that does not support weak references has none.
    """
    try:
        known = _observed.get(model)
        if known is None or known[0] != token:
            known = _observed[model] = (token, {})
    except TypeError:
        return {}
    return known[1]
