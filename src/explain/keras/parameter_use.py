"""The uses of a Keras model's layers with parameters, noted while it runs; Keras is not imported."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np

from explain.keras.layers import layers_of, replaced
from explain.parameters.use import Use


def noted(
    model: Any,
    names: Mapping[int, str],
    uses: list[Use],
    call: Callable[[], None],
    spoiled: Callable[[Any, int, int], Any],
    to_host: Callable[[Any], Any],
    spoil: tuple[int | None, int, int],
) -> None:
    """Call a model and note the uses of its layers, in the order in which they begin.

    Parameters
    ----------
    model : keras.Model
        The model.
    names : Mapping of int to str
        Its layers' names by their identity; others are not noted.
    uses : list of Use
        Is filled.
    call : callable
        Calls the model, operation by operation.
    spoiled : callable
        From a tensor, an axis and a place on it to the tensor with not-a-number there.
    to_host : callable
        From a tensor to an array.
    spoil : (int or None, int, int)
        Which use gives a spoiled tensor, along which axis, at which place.
    """

    # They are held, so that no other tensor has their identity.
    given_by: dict[int, tuple[str, Any]] = {}

    def watched(name: str, layer: Any) -> Callable[..., Any]:
        own = layer.call

        @functools.wraps(own)
        def passed(*arguments: Any, **keywords: Any) -> Any:
            place = len(uses)
            uses.append(Use(name, (), ()))
            output = own(*arguments, **keywords)
            first = output[0] if isinstance(output, (tuple, list)) and output else output
            given = arguments[0] if arguments else None
            takes = tuple(getattr(given, "shape", ()))
            features = np.array(to_host(given)) if len(takes) in (2, 3) else None
            source = given_by.get(id(given), (None, None))[0]
            uses[place] = Use(name, takes, tuple(getattr(first, "shape", ())), features, source)
            given_by[id(first)] = name, first
            return spoiled(first, *spoil[1:]) if place == spoil[0] else output

        return passed

    with ExitStack() as stack:
        for layer in layers_of(model):
            if id(layer) in names and layer is not model and not hasattr(layer, "_functional"):
                stack.enter_context(replaced(layer, "call", watched(names[id(layer)], layer)))
        call()
