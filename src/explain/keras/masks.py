"""The masks that Keras layers compute from values, recorded and held; Keras is not imported."""

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

    A functional model computes the same mask a second time, by operations of its graph: they are recorded too.
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
                stack.enter_context(replaced(layer, "call", _mask_recorder(layer.call, recorded)))
        for operation in _mask_operations(layers):
            stack.enter_context(replaced(operation, "call", operation_recorder(operation.call)))
        yield recorded


@contextmanager
def held_masks(
    layers: Sequence[Any], masks: Sequence[Any], apply: Callable[[Any, Any], Any]
) -> Iterator[None]:
    """Let all that computes a mask return the recorded masks, in the order of the calls.

    Parameters
    ----------
    layers : sequence of keras.Layer
        Where to look for `Masking`.
    masks : sequence of tensor
        One mask a call, shape (N, T).
    apply : callable
        From an input (N, T, C) and a mask to the input with masked steps set to zero.
    """
    left = iter(masks)

    def call(inputs: Any) -> Any:
        mask = next(left)
        outputs = apply(inputs, mask)
        # Where Keras itself keeps the mask of a tensor for the layers that follow.
        outputs._keras_mask = mask
        return outputs

    with ExitStack() as stack:
        if masks:
            for layer in layers:
                if derives_from(layer, "Masking"):
                    stack.enter_context(replaced(layer, "call", call))
            for operation in _mask_operations(layers):
                stack.enter_context(replaced(operation, "call", lambda *_, **__: next(left)))
        yield


def _mask_operations(layers: Sequence[Any]) -> list[Any]:
    """Give the operations, which are no layers, that compute the masks in the graphs of functional models.

    When a functional model is built, the mask that a layer is called with becomes an argument of its node,
    computed from the input of `Masking` by operations of the graph, not taken from what `Masking` returns.
    """
    if not has_masking(layers):
        return []
    found: dict[int, Any] = {}
    for layer in layers:
        # A Sequential model keeps its functional one beside it.
        graph = getattr(layer, "_functional", None) or layer
        nodes = [node for operation in getattr(graph, "_operations", ()) for node in operation._inbound_nodes]
        for node in nodes:
            history = getattr(node.arguments.kwargs.get("mask"), "_keras_history", None)
            if history is not None and not derives_from(history.operation, "Layer"):
                found[id(history.operation)] = history.operation
    return list(found.values())


def _mask_recorder(function: Callable[..., Any], recorded: list[Any]) -> Callable[..., Any]:
    def call(inputs: Any) -> Any:
        outputs = function(inputs)
        recorded.append(outputs._keras_mask)
        return outputs

    return call
