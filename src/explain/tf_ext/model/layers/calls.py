"""The layers of a Keras model while it runs: record their calls, start or end the model at one of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from explain.backends.places import Place
from explain.backends.token_readers import is_embedding
from explain.inputs.layer_calls import RecordedCall
from explain.keras.calls import replaced


def named_layers(model: Any) -> Mapping[str, Any]:
    """Give the layers of a model by name, without the model itself; a nested layer by both names, ``"outer/inner"``."""
    found: dict[str, Any] = {}

    def walk(layer: Any, path: str) -> None:
        for inner in layer._layers:
            name = f"{path}{inner.name}"
            # A layer may be stored in two places, or have the same name as another layer.
            if any(inner is other for other in found.values()):
                continue
            while name in found:
                name += "_"
            found[name] = inner
            # A recurrent layer's cell takes one step, not the whole sequence; one of the two layers in a
            # Bidirectional returns its steps from last to first.
            if not hasattr(inner, "cell") and not hasattr(inner, "backward_layer"):
                walk(inner, f"{name}/")

    walk(model, "")
    return found


def has_channels_last(layer: Any, before: bool) -> bool:
    """Tell whether the output of a layer has its channels last, from whether its input has."""
    data_format = getattr(layer, "data_format", None)
    if data_format is not None:
        return bool(data_format != "channels_first")
    return before or is_embedding(layer)


def fixes_axes(layer: Any) -> bool:
    """Tell whether the operation of a layer determines which of its axes are space."""
    return getattr(layer, "data_format", None) is not None or is_embedding(layer)


def with_moved_axis(tensor: Any, source: int, target: int) -> Any:
    """Move an axis of a tensor.

    Examples
    --------
    >>> tuple(with_moved_axis(tf.zeros((2, 3, 4)), 0, 1).shape)
    (3, 2, 4)
    """
    order = [axis for axis in range(len(tensor.shape)) if axis != source]
    order.insert(target, source)
    return tf.transpose(tensor, order)


@dataclass(frozen=True)
class TensorFlowPlace(Place):
    """The output of a layer at one of its calls; see `explain.backends.places.Place`.

    It holds a weak reference to the layer: a place is part of the key of a trace, which must not keep a model alive.
    """

    @contextmanager
    def passed_through(self, function: Callable[[Any], Any]) -> Iterator[None]:
        """Replace the output of the call by `function(output)`."""
        count = -1
        layer = self.layer()
        own = layer.call

        @functools.wraps(own)
        def passed(*arguments: Any, **keywords: Any) -> Any:
            nonlocal count
            output = own(*arguments, **keywords)
            count += 1
            if count != self.call.call:
                return output
            if isinstance(output, (tuple, list)):
                return type(output)([function(output[0]), *output[1:]])
            return function(output)

        with replaced(layer, "call", passed):
            yield

    @contextmanager
    def received(self) -> Iterator[list[Any]]:
        """Record the first argument of the call."""
        found: list[Any] = []
        count = -1
        layer = self.layer()
        own = layer.call

        @functools.wraps(own)
        def called(*arguments: Any, **keywords: Any) -> Any:
            nonlocal count
            count += 1
            if count == self.call.call:
                found.append(next(iter((*arguments, *keywords.values()))))
            return own(*arguments, **keywords)

        with replaced(layer, "call", called):
            yield found

    def with_moved_axis(self, output: Any, source: int, target: int) -> Any:
        """Move an axis of the output, or of what replaces it."""
        return with_moved_axis(output, source, target)

    def with_shape(self, output: Any, shape: Sequence[int]) -> Any:
        """Reshape the output, or what replaces it."""
        return tf.reshape(output, shape)

    def fits(self, output: Any, value: Any) -> bool:
        """Tell whether a value has the shape of the output; axes that a trace leaves open fit any size."""
        return bool(output.shape[1:].is_compatible_with(value.shape[1:]))

    def in_place_of(self, output: Any, value: Any) -> Any:
        """Give a value in the dtype of the output."""
        return tf.cast(value, output.dtype)

    def copied(self, output: Any) -> Any:
        """Give the output itself: TensorFlow never changes a tensor in place."""
        return output

    def held_in(self, output: Any, row: int, rows: int | None) -> Any:
        """Give the output with one of its rows as a constant for gradients; as it is if it has not `rows` rows."""
        if not tf.is_tensor(output) or tuple(output.shape[:1]) != (rows,):
            return output
        # A trace may leave the number of rows open.
        count = tf.shape(output)[0] if rows is None else rows
        is_held = tf.reshape(tf.range(count) == row, [-1, *[1] * (len(output.shape) - 1)])
        return tf.where(is_held, tf.stop_gradient(output), output)

    @contextmanager
    def opened(self, tape: Any) -> Iterator[list[Any]]:
        """Convert the output to the precision of points, and watch it with a tape."""
        found: list[Any] = []

        def watch(output: Any) -> Any:
            found.append(tf.cast(output, output.dtype if output.dtype == tf.float64 else tf.float32))
            tape.watch(found[-1])
            return self.in_place_of(output, found[-1])

        with self._called_once(watch):
            yield found


def batch_axis_of(layer: Any) -> None:
    """Give no axis: the layers of Keras take the examples first, and no two orders are possible."""


@contextmanager
def noted_calls(layers: Mapping[str, Any], seen: list[RecordedCall]) -> Iterator[None]:
    """Record the name of every layer and the shape of its output, at each call outside another layer's loop."""
    graph = tf.compat.v1.get_default_graph()

    def noted(name: str, layer: Any) -> Callable[..., Any]:
        own = layer.call

        @functools.wraps(own)
        def call(*arguments: Any, **keywords: Any) -> Any:
            output = own(*arguments, **keywords)
            first = output[0] if isinstance(output, (tuple, list)) and output else output
            # TensorFlow traces a call in a loop in the loop's own graph.
            if tf.is_tensor(first) and getattr(first, "graph", graph) is graph:
                shape = tuple(first.shape)
                # With steps from last to first, a map would be reversed relative to the input.
                is_reversed = getattr(layer, "go_backwards", False) and len(shape) > 2
                seen.append((name, () if is_reversed else shape))
            return output

        return call

    with ExitStack() as stack:
        for name, layer in layers.items():
            stack.enter_context(replaced(layer, "call", noted(name, layer)))
        yield
