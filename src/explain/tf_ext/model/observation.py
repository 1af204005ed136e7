"""A Keras model run once as it is given, and what its layers gave."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import tensorflow as tf

from explain.backends.observation import (
    Observation,
    ObservedCall,
    batch_first,
    canonical,
    first_in,
    tensors_in,
)
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.inputs.wiring import Wiring
from explain.keras.layers import is_keras_model, layers_of, replaced, wired
from explain.running.random_state import preserved_random_state
from explain.tf_ext.model.inspection import call_error, device_and_dtype, first_layer_complaint, inspect_model
from explain.tf_ext.model.layers import named_layers
from explain.tf_ext.model.state import inference_mode, preserved_variables
from explain.tf_ext.model.transfer import to_device, to_host

# The same words as for PyTorch's modules, by the beginning of a layer's class name.
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
_PLAIN = (
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


def observe(
    model: Any,
    inputs: Sequence[Array | None],
    layout: Layout,
    wiring: Wiring | None = None,
    *,
    layers: bool = True,
) -> Observation | None:
    """Run a model as it is given, in its own mode; it is again as it came.

    Parameters
    ----------
    model : keras.Model
        The model.
    inputs : sequence of numpy.ndarray
        As the model takes them; None for one that is given as None.
    layout : Layout
        The axes of the first that has numbers.
    wiring : Wiring, optional
        How the model is called with several.
    layers : bool
        Whether to note what the layers give.

    Returns
    -------
    Observation, optional
        None for a model whose layers cannot be reached, or that takes one step of a sequence at a time.

    Raises
    ------
    InputError
        If the input does not fit the shape that the model states.
    ModelCallError
        If the model raises.
    """
    inspection = inspect_model(model, (), wiring)
    if inspection.opaque or inspection.stepwise or not is_keras_model(model):
        return None
    complaint = None
    if wiring is None and inputs[0] is not None:
        complaint = first_layer_complaint(inspection, inputs[0].shape)
    if complaint is not None:
        raise complaint.error()
    _, precision = device_and_dtype(inspection, inputs[0])
    points = [None if one is None else to_device(one, precision) for one in inputs]
    given, keywords = wired(model, wiring, points, {}, keras=True)
    # As it is called by whoever deploys it.
    del keywords["training"]
    seen: list[ObservedCall] = []
    with inference_mode(), preserved_variables(model), preserved_random_state(), ExitStack() as stack:
        if layers:
            watcher = _Watcher(layout, seen)
            named = named_layers(model)
            for name, layer in named.items():
                if _is_noted(name, layer, named):
                    stack.enter_context(watcher.watching(name, layer))
        try:
            result = model(*given, **keywords)
        except Exception as cause:  # The model is foreign code, which may raise anything.
            raise call_error(cause, points, several=wiring is not None) from cause
        found = tensors_in(result, tf.is_tensor)
        outputs = {name: batch_first(to_host(one), layout.batch_axis) for name, one in found.items()}
    formats = {getattr(layer, "data_format", None) for layer in layers_of(model)}
    return Observation(outputs, tuple(seen), flattens_channels_last="channels_first" not in formats)


class _Watcher:
    """Notes the calls of layers in their order, and follows where the channels are.

    Parameters
    ----------
    layout : Layout
        The axes of the model's input.
    seen : list of ObservedCall
        Where they are noted.
    """

    def __init__(self, layout: Layout, seen: list[ObservedCall]) -> None:
        self._seen = seen
        self._batch_axis = layout.batch_axis
        # What has no channels gets them last, in an embedding.
        self._last = layout.axes[-1] == "C" or "C" not in layout.axes

    @contextmanager
    def watching(self, name: str, layer: Any) -> Iterator[None]:
        """Note the calls of a layer while a context lasts."""
        # Asked before it is put aside.
        own, applied = layer.call, _applied(layer)
        before_activation: list[Any] = []

        @functools.wraps(own)
        def call(*arguments: Any, **keywords: Any) -> Any:
            before_activation.clear()
            output = own(*arguments, **keywords)
            given = arguments[0] if arguments else next(iter(keywords.values()), None)
            first, inputs = first_in(output), first_in(given)
            if tf.is_tensor(first) and not _is_symbolic(first):
                linear = before_activation[-1] if before_activation else first
                self._note(name, layer, inputs, linear, applied)
            return output

        with ExitStack() as stack:
            stack.enter_context(replaced(layer, "call", call))
            if applied is not None:
                recorder = _recorder(layer.activation, before_activation)
                stack.enter_context(replaced(layer, "activation", recorder))
            yield

    def _note(self, name: str, layer: Any, inputs: Any, output: Any, applied: str | None) -> None:
        data_format = getattr(layer, "data_format", None)
        if data_format is not None:
            self._last = data_format != "channels_first"
        host = None if not tf.is_tensor(inputs) or _is_symbolic(inputs) else to_host(inputs)
        laid_out = [
            None if one is None else canonical(one, self._batch_axis, channels_last=self._last)
            for one in (host, to_host(output))
        ]
        assert laid_out[1] is not None
        self._seen.append(
            ObservedCall(
                name=name,
                call=sum(one.name == name for one in self._seen),
                operation=_operation_of(layer),
                inputs=laid_out[0],
                outputs=laid_out[1],
                activation=applied,
                settings=_settings_of(layer),
                dtype=output.dtype.name,
            )
        )


def _recorder(function: Callable[..., Any], recorded: list[Any]) -> Callable[..., Any]:
    def activation(inputs: Any, *arguments: Any, **keywords: Any) -> Any:
        recorded.append(inputs)
        return function(inputs, *arguments, **keywords)

    return activation


def _applied(layer: Any) -> str | None:
    """Give the name of the activation that a layer applies to what it works out, None for what has none of its own."""
    if isinstance(getattr(type(layer), "activation", None), property) or not layer.weights:
        # A recurrent layer shows the activation of its cell; an activation layer is one itself.
        return None
    name = getattr(getattr(layer, "activation", None), "__name__", None)
    return None if name in (None, "linear") else str(name)


def _is_noted(name: str, layer: Any, named: Mapping[str, Any]) -> bool:
    """Tell a layer that does something of its own and is no part of one that does."""
    outer = name.rpartition("/")[0]
    while outer:
        if type(named[outer]).__name__ in ("MultiHeadAttention", "GroupQueryAttention"):
            return False
        outer = outer.rpartition("/")[0]
    own = len(layer.weights) > sum(len(inner.weights) for inner in layer._layers)
    return own or not any(inner in named.values() for inner in layer._layers) or _holds_unnamed(layer)


def _holds_unnamed(layer: Any) -> bool:
    return type(layer).__name__ in ("MultiHeadAttention", "GroupQueryAttention", "Bidirectional")


def _is_symbolic(tensor: Any) -> bool:
    return not hasattr(tensor, "numpy")


def _operation_of(layer: Any) -> str:
    names = [base.__name__ for base in type(layer).__mro__ if base.__module__.split(".")[0] == "keras"]
    # A layer of a class of its own does what the class does that it is made from.
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
    if layer.weights:
        return {}
    found = {name: getattr(layer, name) for name in _PLAIN if hasattr(layer, name)}
    return {name: value for name, value in found.items() if isinstance(value, (bool, int, float, str, tuple))}
