"""Runs a Keras model once in its own mode, and records the outputs of its layers, whichever framework Keras runs on."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import numpy as np

from explain.backends.observation import (
    CallLog,
    Observation,
    ObservedCall,
    first_in,
    named_outputs,
    plain_settings,
)
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.inputs.wiring import Wiring
from explain.keras.calls import replaced, wired
from explain.keras.inspection import call_error
from explain.keras.layers import direct_layers, layers_of, named_layers

ToArray = Callable[[Any], Array | None]
"""From a value to its array, if it is a tensor of the framework with values; None for anything else."""

# Maps the start of a layer's class name to the same operation names as for PyTorch modules.
_OPERATIONS = (
    ("SeparableConv", "separable_convolution"),
    ("DepthwiseConv", "convolution"),
    ("Conv1DTranspose", "transposed_convolution"),
    ("Conv2DTranspose", "transposed_convolution"),
    ("Conv3DTranspose", "transposed_convolution"),
    ("ConvLSTM", "convolutional_lstm"),
    ("Conv", "convolution"),
    ("Dense", "dense"),
    ("EinsumDense", "dense"),
    ("BatchNormalization", "batch_normalization"),
    ("LayerNormalization", "layer_normalization"),
    ("GroupNormalization", "group_normalization"),
    ("Embedding", "embedding"),
    ("LSTM", "lstm"),
    ("GRU", "gru"),
    ("SimpleRNN", "simple_rnn"),
    ("MultiHeadAttention", "attention"),
    ("MaxPooling", "max_pooling"),
    ("AveragePooling", "average_pooling"),
    ("GlobalAveragePooling", "global_average_pooling"),
    ("GlobalMaxPooling", "global_max_pooling"),
    ("SpatialDropout", "dropout"),
    ("Dropout", "dropout"),
    ("Flatten", "flatten"),
    ("Reshape", "reshape"),
    ("LeakyReLU", "leaky_relu"),
)
_SETTINGS = (
    "pool_size",
    "strides",
    "padding",
    "negative_slope",
    "alpha",
    "rate",
    "scale",
    "offset",
    "target_shape",
    "dims",
)


def observed(
    model: Any,
    points: Sequence[Any],
    layout: Layout,
    wiring: Wiring | None,
    to_array: ToArray,
    contexts: Sequence[AbstractContextManager[Any]],
    *,
    layers: bool,
) -> Observation:
    """Run a model in its own mode, see `explain.backends.protocol.Extension.observe`.

    Parameters
    ----------
    model : keras.Model
        The model.
    points : sequence of tensor
        Its inputs, None for one that is passed as None.
    layout, wiring, layers
        As for `Extension.observe`.
    to_array : callable
        Gives the array of a tensor.
    contexts : sequence of context managers
        Entered for the run; they restore the model's state.

    Raises
    ------
    ModelCallError
        If the model raises.
    """
    given, keywords = wired(model, wiring, points, {}, keras=True)
    # The model is called without `training`, as in deployment.
    del keywords["training"]
    log = CallLog(layout)
    with ExitStack() as stack:
        for context in contexts:
            stack.enter_context(context)
        if layers:
            named = named_layers(model)
            for name, layer in named.items():
                if _is_recorded(name, layer, named):
                    stack.enter_context(_watching(name, layer, log, to_array))
        try:
            result = model(*given, **keywords)
        except Exception as cause:  # The model is the user's code, which may raise anything.
            raise call_error(cause, points, wiring) from cause

        def to_host(value: Any) -> Array:
            return np.asarray(to_array(value))

        outputs = named_outputs(result, lambda value: to_array(value) is not None, to_host, layout)
    formats = {getattr(layer, "data_format", None) for layer in layers_of(model)}
    return Observation(outputs, tuple(log.calls), flattens_channels_last="channels_first" not in formats)


@contextmanager
def _watching(name: str, layer: Any, log: CallLog, to_array: ToArray) -> Iterator[None]:
    """Log the calls of a layer while a context lasts."""
    # Read both before they are replaced.
    own, applied = layer.call, _applied(layer)
    before_activation: list[Any] = []

    @functools.wraps(own)
    def call(*arguments: Any, **keywords: Any) -> Any:
        before_activation.clear()
        output = own(*arguments, **keywords)
        given = arguments[0] if arguments else next(iter(keywords.values()), None)
        first, inputs = first_in(output), first_in(given)
        linear = to_array(before_activation[-1] if before_activation else first)
        if linear is not None:
            data_format = getattr(layer, "data_format", None)
            if data_format is not None:
                log.channels_last = data_format != "channels_first"
            operation, settings = _operation_of(layer), _settings_of(layer)
            dtype = str(getattr(first.dtype, "name", first.dtype))
            log.add(ObservedCall(name, 0, operation, to_array(inputs), linear, applied, settings, dtype))
        return output

    with ExitStack() as stack:
        stack.enter_context(replaced(layer, "call", call))
        if applied is not None:
            recorder = _recorder(layer.activation, before_activation)
            stack.enter_context(replaced(layer, "activation", recorder))
        yield


def _recorder(function: Callable[..., Any], recorded: list[Any]) -> Callable[..., Any]:
    def activation(inputs: Any, *arguments: Any, **keywords: Any) -> Any:
        recorded.append(inputs)
        return function(inputs, *arguments, **keywords)

    return activation


def _applied(layer: Any) -> str | None:
    """Give the name of the activation that a layer applies to its result, None without an own activation."""
    if isinstance(getattr(type(layer), "activation", None), property) or not layer.weights:
        # A recurrent layer exposes the activation of its cell; an activation layer is itself an activation.
        return None
    name = getattr(getattr(layer, "activation", None), "__name__", None)
    return None if name in (None, "linear") else str(name)


def _is_recorded(name: str, layer: Any, named: Mapping[str, Any]) -> bool:
    """Tell whether a layer computes by itself and is not part of a layer that does."""
    outer = name.rpartition("/")[0]
    while outer:
        if type(named[outer]).__name__ in ("MultiHeadAttention", "GroupQueryAttention"):
            return False
        outer = outer.rpartition("/")[0]
    own = len(layer.weights) > sum(len(inner.weights) for inner in direct_layers(layer))
    return own or not any(inner in named.values() for inner in direct_layers(layer)) or _holds_unnamed(layer)


def _holds_unnamed(layer: Any) -> bool:
    return type(layer).__name__ in ("MultiHeadAttention", "GroupQueryAttention", "Bidirectional")


def _operation_of(layer: Any) -> str:
    names = [base.__name__ for base in type(layer).__mro__ if base.__module__.split(".")[0] == "keras"]
    # A user's subclass of a Keras class does the same operation as the Keras class.
    for name in names:
        for beginning, word in _OPERATIONS:
            if name.startswith(beginning):
                return word
    if "Activation" in names or "ReLU" in names:
        most = getattr(layer, "max_value", None)
        name = getattr(getattr(layer, "activation", None), "__name__", "relu")
        return "relu6" if most == 6 else str(name)
    return type(layer).__name__.lower()


def _settings_of(layer: Any) -> dict[str, Any]:
    return {} if layer.weights else plain_settings(layer, _SETTINGS)
