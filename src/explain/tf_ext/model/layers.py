"""The layers of a Keras model while it runs: which are called, what they give, and another thing in its place."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from explain.backends.tokens import is_embedding
from explain.errors import LayerError
from explain.inputs.examples import Array, Examples
from explain.inputs.layers import LayerCall, as_calls
from explain.keras.layers import replaced
from explain.tf_ext.model.transfer import to_host

if TYPE_CHECKING:
    from explain.tf_ext.backend import TensorFlowBackend


def named_layers(model: Any) -> Mapping[str, Any]:
    """Give the layers of a model by name, itself left out; one inside another by both names, ``"outer/inner"``."""
    found: dict[str, Any] = {}

    def walk(layer: Any, path: str) -> None:
        for inner in layer._layers:
            name = f"{path}{inner.name}"
            # A layer may be held in two places, or have the name of another one.
            if any(inner is other for other in found.values()):
                continue
            while name in found:
                name += "_"
            found[name] = inner
            # A recurrent layer's cell takes one step, and is no layer for the whole sequence; of the two layers in
            # a Bidirectional one gives its steps in the order from last to first.
            if not hasattr(inner, "cell") and not hasattr(inner, "backward_layer"):
                walk(inner, f"{name}/")

    walk(model, "")
    return found


def layer_calls(
    backend: TensorFlowBackend, examples: Examples, *, channels_last: bool
) -> tuple[LayerCall, ...]:
    """Give every call of a layer. `channels_last` says where the input's channels are."""
    seen: list[tuple[str, tuple[int, ...], bool]] = []
    last = channels_last
    for (name, layer), output in backend.watched(examples):
        data_format = getattr(layer, "data_format", None)
        if data_format is not None:
            last = data_format != "channels_first"
        elif is_embedding(layer):
            last = True
        shape = tuple(output.shape)
        if getattr(layer, "go_backwards", False) and len(shape) > 2:
            # Its steps come from last to first: a map of them would lie the wrong way round on the input.
            continue
        if len(shape) >= 2 and None not in shape[1:]:
            seen.append((name, shape[1:], last or len(shape) == 2))
    return as_calls(seen, "/")


def activations(backend: TensorFlowBackend, call: LayerCall, examples: Examples) -> Array:
    """Give what a layer gives at a call for each example, shape (N, ...)."""
    return to_host(backend.until(call).run("outputs", examples, backend.tensors(examples.inputs)))


def units_and_gradients(
    backend: TensorFlowBackend, call: LayerCall, examples: Examples
) -> tuple[Array, Array]:
    """Give what a layer gives at a call, and the gradients of the scores to it."""
    found = backend.until(call).run("unit_gradients", examples, backend.tensors(examples.inputs))
    units, gradients = map(to_host, found)
    return units, gradients


@dataclass(frozen=True)
class Entry:
    """Where a model is entered, or left: at what a layer gives at one of its calls.

    Parameters
    ----------
    place : int
        The layer, by its place among the model's layers.
    call : LayerCall
        Which of its calls.
    """

    place: int
    call: LayerCall

    @contextmanager
    def entered(self, layers: Sequence[Any], value: Any) -> Iterator[None]:
        """Put a value in the place of what the layer gives."""
        met: list[None] = []

        def enter(output: Any) -> Any:
            met.append(None)
            if not output.shape[1:].is_compatible_with(value.shape[1:]):
                raise LayerError(
                    f"layer={self.call.label!r} gives shape {tuple(output.shape)} here and {tuple(value.shape)} "
                    "before: it cannot be taken for an input."
                )
            return tf.cast(value, output.dtype)

        with passed_through(layers[self.place], self.call.call, enter):
            yield
            if not met:
                raise _missed(self.call)

    @contextmanager
    def watched(self, layers: Sequence[Any], tape: Any) -> Iterator[list[Any]]:
        """Keep what the layer gives, watched by a tape, in the precision of points."""
        found: list[Any] = []

        def watch(output: Any) -> Any:
            found.append(tf.cast(output, output.dtype if output.dtype == tf.float64 else tf.float32))
            tape.watch(found[-1])
            return tf.cast(found[-1], output.dtype)

        with passed_through(layers[self.place], self.call.call, watch):
            yield found
            if not found:
                raise _missed(self.call)

    @contextmanager
    def kept(self, layers: Sequence[Any]) -> Iterator[list[Any]]:
        """Keep what the layer gives."""
        found: list[Any] = []

        def keep(output: Any) -> Any:
            found.append(output)
            return output

        with passed_through(layers[self.place], self.call.call, keep):
            yield found
            if not found:
                raise _missed(self.call)


@contextmanager
def entered_at(
    layers: Sequence[Any],
    readers: Sequence[tuple[int, Entry]],
    entry: Entry | None,
    moved: Sequence[Any],
    value: Any,
) -> Iterator[None]:
    """Put values in the places at which a model is entered: some of its moved inputs at `readers`, one at `entry`."""
    with ExitStack() as stack:
        for place, reader in readers:
            stack.enter_context(reader.entered(layers, moved[place]))
        if entry is not None:
            stack.enter_context(entry.entered(layers, value))
        yield


@contextmanager
def passed_through(layer: Any, call: int, function: Callable[[Any], Any]) -> Iterator[None]:
    """Let what a layer gives at one of its calls go through a function.

    Of a layer that gives several things, an LSTM its states, the first.
    """
    count = -1
    own = layer.call

    @functools.wraps(own)
    def passed(*arguments: Any, **keywords: Any) -> Any:
        nonlocal count
        output = own(*arguments, **keywords)
        count += 1
        if count != call:
            return output
        if isinstance(output, (tuple, list)):
            return type(output)([function(output[0]), *output[1:]])
        return function(output)

    with replaced(layer, "call", passed):
        yield


@contextmanager
def watched_calls(layers: Mapping[str, Any], seen: list[tuple[Any, Any]]) -> Iterator[None]:
    """Note what every layer gives, at each of its calls that are not inside a loop of another layer."""
    graph = tf.compat.v1.get_default_graph()

    def watched(name: str, layer: Any) -> Callable[..., Any]:
        own = layer.call

        @functools.wraps(own)
        def call(*arguments: Any, **keywords: Any) -> Any:
            output = own(*arguments, **keywords)
            first = output[0] if isinstance(output, (tuple, list)) and output else output
            # What is called in a loop is traced in the loop's own graph.
            if tf.is_tensor(first) and getattr(first, "graph", graph) is graph:
                seen.append(((name, layer), first))
            return output

        return call

    with ExitStack() as stack:
        for name, layer in layers.items():
            stack.enter_context(replaced(layer, "call", watched(name, layer)))
        yield


def _missed(call: LayerCall) -> LayerError:
    return LayerError(
        f"layer={call.label!r} was not called this time: the model goes other ways through its layers for other "
        "inputs. Name a layer that it always calls."
    )
