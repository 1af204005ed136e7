"""Records how a running Keras model uses its layers with parameters; does not import Keras."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import numpy as np

from explain.inputs.wiring import inputs_and_wiring
from explain.keras.calls import kept_losses, replaced, wired
from explain.keras.layers import layers_of, named_layers
from explain.parameters.canonical import Array, ParameterLayer
from explain.parameters.recorded_use import UseRecorder, recorded_run
from explain.parameters.use import as_used


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


def as_used_on(
    model: Any,
    layers: Sequence[ParameterLayer],
    x: Any,
    to_tensor: Callable[..., Any],
    to_host: Callable[[Any], Array],
    preserved: Callable[[], AbstractContextManager[Any]],
) -> tuple[ParameterLayer, ...]:
    """Run a Keras model in inference mode, several times, see `explain.parameters.use.as_used`.

    Parameters
    ----------
    model : keras.Model
        The model.
    layers : sequence of ParameterLayer
        Its layers with parameters.
    x : array or collection of arrays
        A batch that it takes.
    to_tensor, to_host : callable
        From an array, and a dtype if it is another, to a tensor of the framework, and back.
    preserved : callable
        Gives a context that restores the model's variables after a run.
    """
    wanted = {one.name for one in layers}
    names = {id(layer): name for name, layer in named_layers(model).items() if name in wanted}
    inputs, wiring = inputs_and_wiring(x)
    given, keywords = wired(model, wiring, list(map(to_tensor, inputs)), {}, keras=True)

    def call(recorder: UseRecorder) -> None:
        with preserved(), kept_losses(layers_of(model)), recorded_uses(model, names, recorder):
            model(*given, **keywords)

    def with_nan(tensor: Any, axis: int, channel: int) -> Any:
        shape = np.ones(len(tensor.shape), int)
        shape[axis] = -1
        factor = np.ones(int(tensor.shape[axis]))
        factor[channel] = np.nan
        return tensor * to_tensor(factor.reshape(shape), tensor.dtype)

    return as_used(layers, recorded_run(call, to_host, with_nan))
