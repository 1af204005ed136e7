"""Settings in which two layers differ, so that the same tensors compute different outputs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from explain.parameters.canonical import ParameterLayer
from explain.parameters.padding import resolved_padding


class Difference(NamedTuple):
    """One setting in which two layers differ.

    Attributes
    ----------
    setting : str
        The name of the setting.
    a, b : plain value
        The value of the setting in the first layer and in the second.
    sentence : str
        Why the same tensors then compute different outputs, and what to do.
    """

    setting: str
    a: Any
    b: Any
    sentence: str


_RECURRENT = ("simple_rnn", "lstm", "gru")

# The settings that must be equal, and why; a setting that is unknown (None) in either layer is not compared.
_WHY: Mapping[str, str] = {
    "strides": "The kernel moves by {a} in one and by {b} in the other: give both the same strides.",
    "dilation": "The kernel is dilated by {a} in one and by {b} in the other: give both the same dilation.",
    "groups": "The channels form {a} groups in one and {b} in the other: give both the same number.",
    "padding_mode": "The padding mode is {a} in one and {b} in the other: layers of Keras pad with zeros only.",
    "zeros": "A layer before pads the input with zeros of {a} in one and of {b} in the other.",
    "axis": "The axes that are normalised are {a} in one and {b} in the other: give both the same axes.",
    "centered": (
        "One subtracts the mean before it divides and the other does not: LayerNorm and RMSNorm are different layers."
    ),
    "batch_statistics": (
        "One has no running statistics and normalises by the batch, the other by its running statistics: create it "
        "with track_running_stats=True."
    ),
    "training": (
        "One is in training mode and normalises by its batch, the other by its running statistics: call eval(), or "
        "call the Keras model with training=False."
    ),
    "mask_zero": "One masks steps with id 0 and the other does not: give both the same mask_zero.",
    "max_norm": "One limits the norm of vectors by max_norm={a}, the other by max_norm={b}: Keras never does.",
    "pooling": "One adds up the vectors of a bag ({a}), the other returns each ({b}): they are different layers.",
    "num_heads": "There are {a} heads in one and {b} in the other: give both the same number.",
    "extra_bias": "One adds a key and a value of its own (add_bias_kv), which Keras does not have.",
    "extra_zeros": "One also attends to zeros (add_zero_attn), which Keras does not.",
    "attention_axes": "Attention is along axes {a} in one and {b} in the other.",
    "go_backwards": "One reads its steps from last to first and the other from first to last.",
    "merge_mode": (
        "The two directions are merged by {a!r} in one and by {b!r} in the other: PyTorch concatenates them, which is "
        "merge_mode='concat'."
    ),
    "reset_after": (
        "One resets the state before the multiplication and the other after: a GRU of PyTorch needs one of Keras with "
        "reset_after=True."
    ),
    "recurrent_activation": (
        "The gates use {a} in one and {b} in the other: those of PyTorch always use sigmoid."
    ),
}


def setting_differences(a: ParameterLayer, b: ParameterLayer) -> list[Difference]:
    """Give the settings in which two layers differ, so that the same tensors compute different outputs.

    The mode, training or inference, counts as a setting.

    Parameters
    ----------
    a, b : ParameterLayer
        Two layers of one kind.

    Examples
    --------
    >>> one = ParameterLayer("bn", "batch_normalization", {}, {"epsilon": 1e-5})
    >>> other = ParameterLayer("norm", "batch_normalization", {}, {"epsilon": 1e-3})
    >>> (difference,) = setting_differences(one, other)
    >>> difference.setting, difference.a, difference.b
    ('epsilon', 1e-05, 0.001)
    """
    return list(_differences(a, b))


def _differences(a: ParameterLayer, b: ParameterLayer) -> Iterator[Difference]:
    for name, why in _WHY.items():
        one, other = a.settings.get(name), b.settings.get(name)
        if name == "padding_mode" and not (_pads(a) or _pads(b)):
            continue
        if one is None or other is None:
            if name in ("max_norm", "pooling", "zeros", "attention_axes") and one != other:
                yield Difference(name, one, other, why.format(a=one, b=other))
        elif one != other:
            yield Difference(name, one, other, why.format(a=one, b=other))
    one, other = a.settings.get("epsilon"), b.settings.get("epsilon")
    if one is not None and other is not None and not math.isclose(one, other, rel_tol=1e-6):
        yield Difference(
            "epsilon",
            one,
            other,
            f"Epsilon, added to the variance, is {one:g} in one and {other:g} in the other: create the target with "
            f"epsilon={one:g} (eps in PyTorch). The default is 1e-3 in Keras, 1e-5 in PyTorch.",
        )
    yield from _of_padding(a, b)
    yield from _of_activation(a, b)


def _of_padding(a: ParameterLayer, b: ParameterLayer) -> Iterator[Difference]:
    one, other = _resolved_padding(a), _resolved_padding(b)
    if one is None or other is None or one == other or _pads_by_code(a, b, one, other):
        return
    shown = f"{_zeros(one)} in one and {_zeros(other)} in the other"
    padded = f"The input is padded with {shown}"
    if isinstance(one, str) or isinstance(other, str):
        why = (
            f"{padded}: with a stride above 1, padding='same' depends on the input's size, which the model does not "
            "state. State it in keras.Input, or put a ZeroPadding layer before a convolution with padding='valid'."
        )
    elif a.kind == "transposed_convolution":
        why = (
            f"The output is cropped by {_edges(one)} in one and {_edges(other)} in the other. padding='valid' in Keras "
            "crops nothing, like padding=0 in PyTorch; crop more with a Cropping layer."
        )
    elif any(before != after for before, after in (*one, *other)):
        why = (
            f"{padded}. With a stride above 1, padding='same' in Keras adds an odd zero at the end, and padding in "
            "PyTorch as many before as after: put a ZeroPadding layer (nn.ZeroPad2d) before a convolution that does "
            "not pad."
        )
    else:
        why = f"{padded}: give both the same padding, in Keras by 'same' or by a ZeroPadding layer before."
    if "sizes" not in a.settings or "sizes" not in b.settings:
        why += " Padding by code before the layer is seen on x, a batch of examples: give it."
    yield Difference("padding", one, other, why)


def _of_activation(a: ParameterLayer, b: ParameterLayer) -> Iterator[Difference]:
    one, other = a.settings.get("activation"), b.settings.get("activation")
    known = a.kind in _RECURRENT or (
        a.settings.get("activation_known", False) and b.settings.get("activation_known", False)
    )
    if known and one != other:
        shown = [name or "none" for name in (one, other)]
        remedy = (
            "LSTM and GRU of PyTorch use tanh, its RNN tanh or relu."
            if a.kind in _RECURRENT
            else "give both the same activation; if one returns logits, the other must not return probabilities."
        )
        yield Difference(
            "activation",
            one,
            other,
            f"The activation is {shown[0]} in one and {shown[1]} in the other: {remedy}",
        )


def _resolved_padding(layer: ParameterLayer) -> Any:
    """Give the padding of a layer; padding that depends on the input's size is resolved if an input was observed."""
    settings = layer.settings
    padding, sizes = settings.get("padding"), settings.get("sizes")
    if not isinstance(padding, str) or sizes is None:
        return padding
    kernel = layer.shapes["kernel"][:-2]
    return resolved_padding(padding, sizes, kernel, settings["strides"], settings["dilation"])


def _pads_by_code(a: ParameterLayer, b: ParameterLayer, one: Any, other: Any) -> bool:
    """Tell whether code before one of two convolutions pads with as many zeros as the other convolution itself.

    Its input is then larger by that number. The positions of the zeros are unknown.
    """
    sizes, other_sizes = a.settings.get("sizes"), b.settings.get("sizes")
    if sizes is None or other_sizes is None or sizes == other_sizes or a.kind != "convolution":
        return False
    if isinstance(one, str) or isinstance(other, str):
        return False
    totals = [
        [size + sum(zeros) for size, zeros in zip(given, padding, strict=True)]
        for given, padding in ((sizes, one), (other_sizes, other))
    ]
    return totals[0] == totals[1]


def _pads(layer: ParameterLayer) -> bool:
    padding = layer.settings.get("padding") or ()
    return isinstance(padding, str) or any(map(any, padding))


def _zeros(padding: Any) -> str:
    """Describe a padding: zeros before and after each axis."""
    if isinstance(padding, str):
        return repr(padding)
    return f"{_edges(padding)} zeros" if any(map(any, padding)) else "nothing"


def _edges(padding: Any) -> str:
    if len(set(padding)) == 1:
        return f"{padding[0][0]} before and {padding[0][1]} after"
    return " and ".join(f"{before} before and {after} after" for before, after in padding)
