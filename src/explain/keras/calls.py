"""Calls Keras models and patches their layers during a call, whichever framework Keras runs on.

This module does not import Keras. A model's graph does not change: a method or an attribute of a layer instance is
replaced for the duration of one call or trace.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from explain.backends.operations.endings import ActivationKind
from explain.backends.scoring import RecordedActivation
from explain.inputs.wiring import Wiring
from explain.keras.layers import derives_from

# TensorFlow's own functions have a version in their names.
_KINDS: dict[str, ActivationKind] = {
    "softmax": "softmax",
    "softmax_v2": "softmax",
    "log_softmax": "log_softmax",
    "log_softmax_v2": "log_softmax",
    "sigmoid": "sigmoid",
}


def _takes_inputs_as_one(model: Any, names: Sequence[str] | None) -> bool:
    """Tell whether a Keras model takes several inputs as one argument, a list or a dict, like Keras's own models.

    A subclass may instead name each input in its `call`: then each input is an argument.
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
    """Give the positional and keyword arguments for a call of a model; `keras` is True for a Keras model."""
    named = {**keywords, "training": False} if keras else dict(keywords)
    if wiring is None:
        return inputs, named
    if keras:
        given, by_name = wiring.arguments(inputs, as_one=_takes_inputs_as_one(model, wiring.names))
    else:
        given, by_name = wiring.passed_to(model, inputs, keywords)
    return given, {**named, **by_name}


@contextmanager
def recorded_activations(layers: Sequence[Any]) -> Iterator[list[RecordedActivation]]:
    """Record the inputs and outputs of every softmax, log-softmax and sigmoid of the layers.

    Both forms are recorded: an activation that a layer applies (``Dense(10, activation="softmax")``), and a
    ``Softmax`` layer.
    """
    recorded: list[RecordedActivation] = []
    with ExitStack() as stack:
        for layer in layers:
            kind = _KINDS.get(getattr(getattr(layer, "activation", None), "__name__", ""))
            if isinstance(getattr(type(layer), "activation", None), property):
                # A recurrent layer exposes the activation of its cell, which is a layer of its own.
                continue
            if kind is not None:
                stack.enter_context(
                    replaced(layer, "activation", _recorder(kind, layer.activation, -1, recorded))
                )
            elif derives_from(layer, "Softmax"):
                axis = layer.axis if isinstance(layer.axis, int) else -1
                stack.enter_context(replaced(layer, "call", _recorder("softmax", layer.call, axis, recorded)))
        yield recorded


@contextmanager
def kept_losses(layers: Sequence[Any]) -> Iterator[None]:
    """Restore the losses that calls add to layers: those of activity regularisation."""
    before = [(layer, list(layer._losses), set(getattr(layer, "_loss_ids", ()))) for layer in layers]
    try:
        yield
    finally:
        for layer, losses, ids in before:
            layer._losses[:] = losses
            # Keras 2 has none.
            if hasattr(layer, "_loss_ids"):
                layer._loss_ids.clear()
                layer._loss_ids.update(ids)


@contextmanager
def preserved_attributes(
    layers: Sequence[Any], kept: set[str], is_tensor: Callable[[Any], bool]
) -> Iterator[None]:
    """Restore the attributes in which a layer's own code keeps tensors; add their names to `kept`.

    In a trace they would be left as tensors of the trace, which no other call can use.
    """

    def holds_tensor(value: Any) -> bool:
        return is_tensor(value) or (isinstance(value, (list, tuple)) and any(map(holds_tensor, value)))

    before = [(layer, layer.__dict__, layer.__dict__.copy()) for layer in layers]
    try:
        yield
    finally:
        for layer, own, values in before:
            for name in [name for name, value in own.items() if values.get(name) is not value]:
                if holds_tensor(own[name]) or holds_tensor(values.get(name)):
                    if name in values:
                        own[name] = values[name]
                    else:
                        del own[name]
                    kept.add(f"{name!r} of the {type(layer).__name__}")


def _recorder(
    kind: ActivationKind, function: Callable[..., Any], axis: int, recorded: list[RecordedActivation]
) -> Callable[..., Any]:
    def call(inputs: Any, *arguments: Any, **keywords: Any) -> Any:
        outputs = function(inputs, *arguments, **keywords)
        recorded.append(RecordedActivation(kind, inputs, outputs, axis))
        return outputs

    return call


@contextmanager
def replaced(layer: Any, name: str, value: Any) -> Iterator[None]:
    """Replace an instance attribute for the duration of a context, bypassing Keras's tracking of attributes."""
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
