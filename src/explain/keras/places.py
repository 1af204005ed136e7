"""The places in a running Keras model, whichever framework Keras runs on: the calls of its layers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from explain.backends.places import Place
from explain.inputs.layer_calls import RecordedCall
from explain.keras.calls import replaced


@dataclass(frozen=True)
class KerasPlace(Place):
    """The output of a Keras layer at one of its calls; see `explain.backends.places.Place`.

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


@contextmanager
def noted_calls(
    layers: Mapping[str, Any], seen: list[RecordedCall], is_own: Callable[[Any], bool]
) -> Iterator[None]:
    """Record the name of every layer and the shape of its output, at each call outside another layer's loop.

    Parameters
    ----------
    layers : Mapping of str to keras.Layer
        The layers by name.
    seen : list
        The records.
    is_own : callable
        Tells whether an output is a tensor of the run itself, not one inside a loop that the framework traces.
    """

    def noted(name: str, layer: Any) -> Callable[..., Any]:
        own = layer.call

        @functools.wraps(own)
        def call(*arguments: Any, **keywords: Any) -> Any:
            output = own(*arguments, **keywords)
            first = output[0] if isinstance(output, (tuple, list)) and output else output
            if is_own(first):
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
