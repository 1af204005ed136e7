"""The operations that the code of a Keras model calls between its layers, such as a sum or a concatenation."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

# TensorFlow's debugger listens, and replaces results, in the same way.
from tensorflow.python.framework import op_callbacks

from explain.backends.places import is_replacing
from explain.inputs.layer_calls import LayerCall, RecordedCall, operation_name
from explain.keras.calls import replaced
from explain.keras.layers import named_layers
from explain.tf_ext.model.graph import gradients_in_graph
from explain.tf_ext.model.layers.calls import TensorFlowPlace

# Keras adds the rows of a single example as a bias: a trace for another number of examples has the other operation.
_NAMES = {"BiasAdd": "AddV2"}

_Handle = Callable[[str, Any], Any]
"""From the name of an operation and its result to what replaces the result."""


@contextmanager
def _handled(model: Any, handle: _Handle) -> Iterator[None]:
    """Pass the result of each operation that a trace adds outside the innermost layers through a function.

    Outside a trace nothing happens: TensorFlow replaces no result of an operation that runs.
    """
    own_graph = tf.compat.v1.get_default_graph()
    running: list[str | None] = []
    layers = named_layers(model)

    def within(name: str | None, layer: Any) -> Callable[..., Any]:
        own = layer.call

        @functools.wraps(own)
        def call(*arguments: Any, **keywords: Any) -> Any:
            running.append(name)
            try:
                return own(*arguments, **keywords)
            finally:
                running.pop()

        return call

    def listen(
        kind: Any, inputs: Any, attributes: Any, outputs: Any, op_name: Any = None, graph: Any = None
    ) -> Any:
        path = running[-1] if running else None
        if path is None or graph is not own_graph or is_replacing.get() or len(outputs) != 1:
            return outputs
        if not outputs[0].dtype.is_floating or outputs[0].shape.rank is None:
            return outputs
        name = kind.decode() if isinstance(kind, bytes) else str(kind)
        return [handle(operation_name(path, "/", _NAMES.get(name, name)), outputs[0])]

    with ExitStack() as stack:
        for name, layer in {"": model, **layers}.items():
            is_outer = name == "" or any(other.startswith(f"{name}/") for other in layers)
            stack.enter_context(replaced(layer, "call", within(name if is_outer else None, layer)))
        op_callbacks.add_op_callback(listen)
        stack.callback(op_callbacks.remove_op_callback, listen)
        yield


@contextmanager
def noted_operations(model: Any, seen: list[RecordedCall]) -> Iterator[None]:
    """Record the name of each operation and the shape of its result, among the calls of layers."""

    def note(name: str, result: Any) -> Any:
        seen.append((name, tuple(result.shape)))
        return result

    with _handled(model, note):
        yield


@dataclass(frozen=True)
class TensorFlowOperationPlace(TensorFlowPlace):
    """The result of an operation at one of its calls; `layer` is a weak reference to the model whose code calls it."""

    @contextmanager
    def passed_through(self, function: Callable[[Any], Any]) -> Iterator[None]:
        """Replace the result of the call by `function(result)`."""
        count = -1

        def handle(name: str, result: Any) -> Any:
            nonlocal count
            if name != self.call.name:
                return result
            count += 1
            return function(result) if count == self.call.call else result

        with _handled(self.layer(), handle):
            yield


class GraphGradients:
    """Takes gradients as a tape does, from the operations of the graph that is traced."""

    def __enter__(self) -> GraphGradients:
        """Record nothing: the graph does."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def watch(self, tensors: Any) -> None:
        """Do nothing: every tensor of a graph has a gradient."""

    def gradient(self, target: Any, sources: Any, output_gradients: Any = None) -> Any:
        """Give the gradient of the sum of a target to some tensors, or from the gradients that arrive at the target."""
        if tf.is_tensor(sources):
            return gradients_in_graph(target, [sources], output_gradients)[0]
        return gradients_in_graph(target, list(sources), output_gradients)


def tape_for(places: Iterable[TensorFlowPlace]) -> Any:
    """Give a tape for a run in which outputs at places are replaced.

    TensorFlow records what replaces the result of an operation as that result, so that a tape goes on to the arguments.
    """
    if any(isinstance(place, TensorFlowOperationPlace) for place in places) and not tf.executing_eagerly():
        return GraphGradients()
    return tf.GradientTape(watch_accessed_variables=False)


def place_of(model: Any, call: LayerCall) -> TensorFlowPlace:
    """Give the place of a call in a model: of a layer, or of an operation between layers."""
    if call.is_operation:
        return TensorFlowOperationPlace(weakref.ref(model), call)
    return TensorFlowPlace(weakref.ref(named_layers(model)[call.name]), call)
