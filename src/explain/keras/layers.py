"""What is done to Keras layers while a model runs, whichever framework Keras runs on.

Keras is not imported: a layer is known by its class's name. Nothing is changed in the model's graph; an
attribute or a bound method of a layer instance is put aside for the length of one call or trace.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any

from explain.backends.scoring import ActivationKind, RecordedActivation
from explain.inputs.wiring import Wiring

# TensorFlow's own functions have a version in their names.
_KINDS: dict[str, ActivationKind] = {
    "softmax": "softmax",
    "softmax_v2": "softmax",
    "log_softmax": "log_softmax",
    "log_softmax_v2": "log_softmax",
    "sigmoid": "sigmoid",
}


def is_keras_model(model: object) -> bool:
    """Tell from its class whether an object is a `keras.Model`."""
    kind: Any = type(model)
    return _is_keras_class(kind)


# Asked at every call, several times, of the same few classes.
@lru_cache(maxsize=512)
def _is_keras_class(kind: Any) -> bool:
    return any(base.__name__ == "Model" and base.__module__.split(".")[0] == "keras" for base in kind.__mro__)


def keras_backend() -> str | None:
    """Give the framework that Keras runs on, None if Keras is not loaded."""
    keras = sys.modules.get("keras")
    return None if keras is None else str(keras.config.backend())


def class_name(layer: object) -> str:
    """Give the name of a layer's class as Keras has it: of one derived from Keras's own, that one's.

    Examples
    --------
    >>> class_name(3)
    ''
    """
    for base in type(layer).__mro__:
        if base.__module__.split(".")[0] == "keras":
            return base.__name__
    return ""


def layers_of(model: Any) -> list[Any]:
    """Give every layer of a model, nested ones included, the model itself first."""
    return list(model._flatten_layers())


def _takes_inputs_as_one(model: Any, names: Sequence[str] | None) -> bool:
    """Tell whether a Keras model of several inputs takes them as one argument, a list or a dict, as Keras's own do.

    A model with a call of its own may name each: then it is called as it is written.
    """
    if any(base.__name__ in ("Functional", "Sequential") for base in type(model).__mro__):
        return True
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    own = inspect.signature(model.call).parameters.values()
    given = [one for one in own if one.name not in ("training", "mask")]
    if names is not None:
        return not {one.name for one in given} & set(names)
    needed = [one for one in given if one.kind in kinds and one.default is inspect.Parameter.empty]
    return len(needed) < 2 and not any(one.kind == inspect.Parameter.VAR_POSITIONAL for one in given)


def wired(
    model: Any, wiring: Wiring | None, inputs: Sequence[Any], keywords: Mapping[str, Any], *, keras: bool
) -> tuple[Sequence[Any], dict[str, Any]]:
    """Give the positional and the keyword arguments with which a model is called; `keras` for one of Keras's."""
    named = {**keywords, "training": False} if keras else dict(keywords)
    if wiring is None:
        return inputs, named
    given, by_name = wiring.arguments(inputs, as_one=keras and _takes_inputs_as_one(model, wiring.names))
    return given, {**named, **by_name}


@contextmanager
def recorded_activations(layers: Sequence[Any]) -> Iterator[list[RecordedActivation]]:
    """Record what goes into and comes out of every softmax, log-softmax and sigmoid of the layers.

    Both forms are seen: an activation that a layer applies (``Dense(10, activation="softmax")``), and a
    ``Softmax`` layer.
    """
    recorded: list[RecordedActivation] = []
    with ExitStack() as stack:
        for layer in layers:
            kind = _KINDS.get(getattr(getattr(layer, "activation", None), "__name__", ""))
            if isinstance(getattr(type(layer), "activation", None), property):
                # A recurrent layer shows the activation of its cell, which is a layer of its own.
                continue
            if kind is not None:
                stack.enter_context(
                    replaced(layer, "activation", _recorder(kind, layer.activation, -1, recorded))
                )
            elif _is_layer(layer, "Softmax"):
                axis = layer.axis if isinstance(layer.axis, int) else -1
                stack.enter_context(replaced(layer, "call", _recorder("softmax", layer.call, axis, recorded)))
        yield recorded


@contextmanager
def recorded_masks(layers: Sequence[Any]) -> Iterator[list[Any]]:
    """Record the mask that every `Masking` layer works out, in the order of the calls.

    A functional model works the same mask out a second time, by operations of its graph: those too.
    """
    recorded: list[Any] = []

    def operation_recorder(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            recorded.append(function(*arguments, **keywords))
            return recorded[-1]

        return call

    with ExitStack() as stack:
        for layer in layers:
            if _is_layer(layer, "Masking"):
                stack.enter_context(replaced(layer, "call", _mask_recorder(layer.call, recorded)))
        for operation in _mask_operations(layers):
            stack.enter_context(replaced(operation, "call", operation_recorder(operation.call)))
        yield recorded


@contextmanager
def held_masks(
    layers: Sequence[Any], masks: Sequence[Any], apply: Callable[[Any, Any], Any]
) -> Iterator[None]:
    """Let all that works out a mask give the masks that were recorded, in the order of the calls.

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
                if _is_layer(layer, "Masking"):
                    stack.enter_context(replaced(layer, "call", call))
            for operation in _mask_operations(layers):
                stack.enter_context(replaced(operation, "call", lambda *_, **__: next(left)))
        yield


@contextmanager
def kept_losses(layers: Sequence[Any]) -> Iterator[None]:
    """Put back the losses that a call of a layer leaves on it: those of activity regularisation."""
    before = [(layer, list(layer._losses), set(layer._loss_ids)) for layer in layers]
    try:
        yield
    finally:
        for layer, losses, ids in before:
            layer._losses[:] = losses
            layer._loss_ids.clear()
            layer._loss_ids.update(ids)


def has_masking(layers: Sequence[Any]) -> bool:
    """Tell whether any layer works out a mask from values."""
    return any(_is_layer(layer, "Masking") for layer in layers)


def seed_states(layers: Sequence[Any]) -> list[Any]:
    """Give the variables in which layers keep the seeds of what they draw."""
    generators = [generator for layer in layers for generator in vars(layer).values()]
    return [
        generator.state.value
        for generator in generators
        if any(base.__name__ == "SeedGenerator" for base in type(generator).__mro__)
    ]


def _mask_operations(layers: Sequence[Any]) -> list[Any]:
    """Give the operations, which are no layers, that make the masks in the graphs of functional models.

    When a functional model is built, the mask that a layer is called with becomes an argument of its node,
    made from the input of `Masking` by operations of the graph; what `Masking` itself returns is not asked.
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
            if history is not None and not _is_layer(history.operation, "Layer"):
                found[id(history.operation)] = history.operation
    return list(found.values())


def _is_layer(layer: object, name: str) -> bool:
    return any(
        base.__name__ == name and base.__module__.split(".")[0] == "keras" for base in type(layer).__mro__
    )


def _recorder(
    kind: ActivationKind, function: Callable[..., Any], axis: int, recorded: list[RecordedActivation]
) -> Callable[..., Any]:
    def call(inputs: Any, *arguments: Any, **keywords: Any) -> Any:
        outputs = function(inputs, *arguments, **keywords)
        recorded.append(RecordedActivation(kind, inputs, outputs, axis))
        return outputs

    return call


def _mask_recorder(function: Callable[..., Any], recorded: list[Any]) -> Callable[..., Any]:
    def call(inputs: Any) -> Any:
        outputs = function(inputs)
        recorded.append(outputs._keras_mask)
        return outputs

    return call


@contextmanager
def replaced(layer: Any, name: str, value: Any) -> Iterator[None]:
    """Put an instance attribute aside; Keras's own bookkeeping of attributes is gone round."""
    missing = object()
    before = layer.__dict__.get(name, missing)
    object.__setattr__(layer, name, value)
    try:
        yield
    finally:
        if before is missing:
            object.__delattr__(layer, name)
        else:
            object.__setattr__(layer, name, before)
