"""Records how a running Keras model uses its layers with parameters; does not import Keras."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from explain.keras.calls import replaced
from explain.keras.layers import layers_of
from explain.parameters.recorded_use import UseRecorder


@contextmanager
def recorded_uses(model: Any, names: Mapping[int, str], recorder: UseRecorder) -> Iterator[None]:
    """Record the calls of a model's layers, in the order in which they begin, for the duration of a context.

    Parameters
    ----------
    model : keras.Model
        The model; the caller runs it eagerly.
    names : Mapping of int to str
        The names of the layers to record, by their identity.
    recorder : UseRecorder
        Records them.
    """

    def recorded(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def recorded_call(*arguments: Any, **keywords: Any) -> Any:
            number = recorder.begin()
            output = call(*arguments, **keywords)
            return recorder.end(number, name, arguments[0] if arguments else None, output)

        return recorded_call

    with ExitStack() as stack:
        for layer in layers_of(model):
            if id(layer) in names and layer is not model and not hasattr(layer, "_functional"):
                stack.enter_context(replaced(layer, "call", recorded(names[id(layer)], layer.call)))
        yield
