"""The layers of a Keras model while it runs on JAX: record their calls, start or end the model at one of them."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import get_opaque_trace_state

from explain.inputs.layer_calls import LayerCall, RecordedCall
from explain.keras import places
from explain.keras.layers import named_layers


@dataclass(frozen=True)
class JaxPlace(places.KerasPlace):
    """The output of a layer at one of its calls; see `explain.backends.places.Place`."""

    def with_moved_axis(self, output: Any, source: int, target: int) -> Any:
        """Move an axis of the output, or of what replaces it."""
        return jnp.moveaxis(output, source, target)

    def with_shape(self, output: Any, shape: Sequence[int]) -> Any:
        """Reshape the output, or what replaces it."""
        return jnp.reshape(output, tuple(shape))

    def joined(self, parts: Sequence[Any]) -> Any:
        """Put parts of the output, or of what replaces it, behind each other on the second axis."""
        return jnp.concatenate(parts, axis=1)

    def fits(self, output: Any, value: Any) -> bool:
        """Tell whether a value has the shape of the output."""
        return bool(output.shape == value.shape)

    def in_place_of(self, output: Any, value: Any) -> Any:
        """Give a value in the dtype of the output."""
        return value.astype(output.dtype)

    def copied(self, output: Any) -> Any:
        """Give the output itself: JAX never changes an array in place."""
        return output

    def held_in(self, output: Any, row: int, rows: int | None) -> Any:
        """Give the output with one of its rows as a constant for gradients; as it is if it has not `rows` rows."""
        if not isinstance(output, jax.Array) or rows is None or output.shape[:1] != (rows,):
            return output
        is_held = (jnp.arange(rows) == row).reshape(-1, *[1] * (output.ndim - 1))
        return jnp.where(is_held, jax.lax.stop_gradient(output), output)

    @contextmanager
    def shifted(self, shift: Any) -> Iterator[None]:
        """Add a shift, batch first, to the output: the gradient to the shift is that to the output."""
        with self._called_once(lambda output: self.in_place_of(output, output + shift)):
            yield


@contextmanager
def noted_calls(layers: Mapping[str, Any], seen: list[RecordedCall]) -> Iterator[None]:
    """Record the name of every layer and the shape of its output, at each call outside another layer's loop."""
    here = get_opaque_trace_state()

    def is_own(output: Any) -> bool:
        # The body of a loop, and of a function that is mapped over an axis, is a trace of its own.
        return isinstance(output, jax.Array) and get_opaque_trace_state() == here

    with places.noted_calls(layers, seen, is_own):
        yield


def place_of(model: Any, call: LayerCall) -> JaxPlace:
    """Give the place of a call in a model."""
    return JaxPlace(weakref.ref(named_layers(model)[call.name]), call)
