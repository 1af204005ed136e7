"""Records and fixes the masks that Keras layers compute from values; does not import Keras."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from explain.keras.calls import replaced
from explain.keras.layers import derives_from


def has_masking(layers: Sequence[Any]) -> bool:
    """Tell whether any layer computes a mask from values."""
    return any(derives_from(layer, "Masking") for layer in layers)


@contextmanager
def recorded_masks(layers: Sequence[Any]) -> Iterator[list[Any]]:
    """Record the mask that every `Masking` layer computes, in the order of the calls.

    A functional model computes the same mask again with operations of its graph: record those masks too.
    """
    recorded: list[Any] = []

    def operation_recorder(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            recorded.append(function(*arguments, **keywords))
            return recorded[-1]

        return call

    with ExitStack() as stack:
        for layer in layers:
            if derives_from(layer, "Masking"):
                stack.enter_context(replaced(layer, "call", _mask_recorder(layer, recorded)))
        for operation in _mask_operations(layers):
            stack.enter_context(replaced(operation, "call", operation_recorder(operation.call)))
        yield recorded


@contextmanager
def held_masks(
    layers: Sequence[Any], masks: Sequence[Any], apply: Callable[[Any, Any], Any]
) -> Iterator[None]:
    """Make every layer and operation that computes a mask return the recorded masks, in the order of the calls.

    Parameters
    ----------
    layers : sequence of keras.Layer
        The layers of the model, among them the `Masking` layers.
    masks : sequence of tensor
        One mask per call, shape (N, T).
    apply : callable
        Takes an input (N, T, C) and a mask; gives the input with masked steps set to zero.
    """
    left = iter(masks)
    latest: Any = None

    def call_of(layer: Any) -> Callable[[Any], Any]:
        def call(inputs: Any) -> Any:
            nonlocal latest
            latest = next(left)
            output = apply(inputs, latest)
            if getattr(layer, "_compute_output_and_mask_jointly", False):
                # Keras 2 does not ask for the mask.
                output._keras_mask = latest
            return output

        return call

    def compute_mask(inputs: Any, mask: Any = None) -> Any:
        # Keras asks a layer whose output has no mask for it, and stores it for the layers that follow.
        return latest

    with ExitStack() as stack:
        if masks:
            for layer in layers:
                if derives_from(layer, "Masking"):
                    stack.enter_context(replaced(layer, "call", call_of(layer)))
                    stack.enter_context(replaced(layer, "compute_mask", compute_mask))
            for operation in _mask_operations(layers):
                stack.enter_context(replaced(operation, "call", lambda *_, **__: next(left)))
        yield


def _mask_operations(layers: Sequence[Any]) -> list[Any]:
    """Give the operations that are not layers and that compute the masks in the graphs of functional models.

    When Keras builds a functional model, the mask of a layer's call becomes an argument of its node. Operations of
    the graph compute this mask from the input of `Masking`; the output of `Masking` is not used.
    """
    if not has_masking(layers):
        return []
    found: dict[int, Any] = {}
    for layer in layers:
        # A Sequential model stores its functional model in an attribute.
        graph = getattr(layer, "_functional", None) or layer
        nodes = [node for operation in getattr(graph, "_operations", ()) for node in operation._inbound_nodes]
        for node in nodes:
            history = getattr(node.arguments.kwargs.get("mask"), "_keras_history", None)
            if history is not None and not derives_from(history.operation, "Layer"):
                found[id(history.operation)] = history.operation
    return list(found.values())


def _mask_recorder(layer: Any, recorded: list[Any]) -> Callable[..., Any]:
    own = layer.call

    def call(inputs: Any) -> Any:
        recorded.append(layer.compute_mask(inputs))
        return own(inputs)

    return call
