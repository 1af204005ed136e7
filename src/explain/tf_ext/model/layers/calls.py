"""The layers of a Keras model while it runs: record their calls, start or end the model at one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from explain.inputs.layer_calls import RecordedCall
from explain.keras import places


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
class TensorFlowPlace(places.KerasPlace):
    """The output of a layer at one of its calls; see `explain.backends.places.Place`."""

    def with_moved_axis(self, output: Any, source: int, target: int) -> Any:
        """Move an axis of the output, or of what replaces it."""
        return with_moved_axis(output, source, target)

    def with_shape(self, output: Any, shape: Sequence[int]) -> Any:
        """Reshape the output, or what replaces it."""
        return tf.reshape(output, shape)

    def joined(self, parts: Sequence[Any]) -> Any:
        """Put parts of the output, or of what replaces it, behind each other on the second axis."""
        return tf.concat(parts, axis=1)

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


@contextmanager
def noted_calls(
    layers: Mapping[str, Any], seen: list[RecordedCall], outputs: list[Any] | None = None
) -> Iterator[None]:
    """Record the name of every layer and the shape of its output, at each call outside another layer's loop.

    With `outputs`, also the outputs themselves.
    """
    graph = tf.compat.v1.get_default_graph()

    def is_own(output: Any) -> bool:
        # TensorFlow traces a call in a loop in the loop's own graph.
        own = bool(tf.is_tensor(output)) and getattr(output, "graph", graph) is graph
        if own and outputs is not None:
            outputs.append(output)
        return own

    with places.noted_calls(layers, seen, is_own):
        yield
