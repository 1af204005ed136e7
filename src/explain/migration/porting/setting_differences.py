"""What two layers are set to besides their tensors, and why tensors would not mean the same under other settings."""

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
        Its name.
    a, b : plain value
        What it is in the one and in the other.
    sentence : str
        Why the same tensors do not give the same then, and what to do.
    """

    setting: str
    a: Any
    b: Any
    sentence: str


_RECURRENT = ("simple_rnn", "lstm", "gru")

# What must be the same, and why; a setting that either side does not know, None, is passed over.
_WHY: Mapping[str, str] = {
    "strides": "The kernel goes on by {a} places in one and by {b} in the other: give both the same strides.",
    "dilation": "The places of the kernel are {a} apart in one and {b} in the other: give both the same dilation.",
    "groups": "The channels are in {a} groups in one and in {b} in the other: give both the same number.",
    "padding_mode": "What is put around the input is {a} in one and {b} in the other: Keras's layers put zeros only.",
    "zeros": "A layer before puts zeros of {a} around the input in one and of {b} in the other.",
    "axis": "The axes that are normalised are {a} in one and {b} in the other: give both the same axes.",
    "centered": (
        "One takes the mean away before it divides and the other does not: LayerNorm and RMSNorm are two things."
    ),
    "batch_statistics": (
        "One normalises by the batch it is given, having no running statistics, and the other by its running "
        "statistics: make it with track_running_stats=True."
    ),
    "training": (
        "One is in training mode and normalises by its batch, the other by its running statistics: call eval(), or "
        "call the Keras model with training=False."
    ),
    "mask_zero": "One masks steps whose id is 0 and the other reads them: give both the same mask_zero.",
    "max_norm": "One shortens vectors that are longer than max_norm={a}, the other max_norm={b}: Keras's never does.",
    "pooling": "One adds up the vectors of a bag ({a}), the other gives each ({b}): they are two things.",
    "num_heads": "The heads are {a} in one and {b} in the other: give both the same number.",
    "extra_bias": "One has a key and a value of its own beside those given (add_bias_kv), which Keras's has not.",
    "extra_zeros": "One attends to zeros beside what is given (add_zero_attn), which Keras's does not.",
    "attention_axes": "Attention goes along axes {a} in one and {b} in the other.",
    "go_backwards": "One reads its steps from last to first and the other from first to last.",
    "merge_mode": (
        "The two directions are put together by {a!r} in one and by {b!r} in the other: PyTorch's are beside each "
        "other, which is merge_mode='concat'."
    ),
    "reset_after": (
        "One resets the state before it is multiplied and the other after: a GRU of PyTorch is one of Keras with "
        "reset_after=True only."
    ),
    "recurrent_activation": ("The gates are {a} in one and {b} in the other: PyTorch's are always sigmoid."),
}


def setting_differences(a: ParameterLayer, b: ParameterLayer) -> list[Difference]:
    """Give the settings in which two layers differ, so that the same tensors do not mean the same in both.

    Whether one of them is in training mode is among them.

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
            f"What is added to the variance is {one:g} in one and {other:g} in the other: make the target with "
            f"epsilon={one:g} (eps in PyTorch). Keras's own is 1e-3, PyTorch's 1e-5.",
        )
    yield from _of_padding(a, b)
    yield from _of_activation(a, b)


def _of_padding(a: ParameterLayer, b: ParameterLayer) -> Iterator[Difference]:
    one, other = _padding_as_seen(a), _padding_as_seen(b)
    if one is None or other is None or one == other or _zeros_by_code(a, b, one, other):
        return
    shown = f"{_zeros(one)} in one and {_zeros(other)} in the other"
    if isinstance(one, str) or isinstance(other, str):
        why = (
            f"What is put around the input is {shown}: with a stride above 1, padding='same' depends on the input's "
            "size, which the model does not state. State it in keras.Input, or put a ZeroPadding layer before a "
            "convolution with padding='valid'."
        )
    elif a.kind == "transposed_convolution":
        why = (
            f"What is left off the output's edges is {_sides(one)} in one and {_sides(other)} in the other. Keras's "
            "padding='valid' leaves off nothing, which is padding=0 in PyTorch; leave off more by a Cropping layer."
        )
    elif any(before != after for before, after in (*one, *other)):
        why = (
            f"What is put around the input is {shown}. With a stride above 1, Keras's padding='same' puts an odd zero "
            "after, PyTorch's padding as many before as after: put a ZeroPadding layer (nn.ZeroPad2d) before a "
            "convolution that does not pad."
        )
    else:
        why = (
            f"What is put around the input is {shown}: give both the same padding, in Keras by 'same' or by a "
            "ZeroPadding layer before."
        )
    if "sizes" not in a.settings or "sizes" not in b.settings:
        why += " What is put around it by code before the layer is seen on x, a batch of examples."
    yield Difference("padding", one, other, why)


def _of_activation(a: ParameterLayer, b: ParameterLayer) -> Iterator[Difference]:
    one, other = a.settings.get("activation"), b.settings.get("activation")
    known = a.kind in _RECURRENT or (
        a.settings.get("activation_known", False) and b.settings.get("activation_known", False)
    )
    if known and one != other:
        shown = [name or "nothing" for name in (one, other)]
        remedy = (
            "PyTorch's LSTM and GRU have tanh, its RNN tanh or relu."
            if a.kind in _RECURRENT
            else "give both the same activation, and neither logits where the other gives probabilities."
        )
        yield Difference(
            "activation",
            one,
            other,
            f"What is applied to what it gives is {shown[0]} in one and {shown[1]} in the other: {remedy}",
        )


def _padding_as_seen(layer: ParameterLayer) -> Any:
    """Give a layer's padding, that which depends on the size of its input resolved where one was seen."""
    settings = layer.settings
    padding, sizes = settings.get("padding"), settings.get("sizes")
    if not isinstance(padding, str) or sizes is None:
        return padding
    kernel = layer.shapes["kernel"][:-2]
    return resolved_padding(padding, sizes, kernel, settings["strides"], settings["dilation"])


def _zeros_by_code(a: ParameterLayer, b: ParameterLayer, one: Any, other: Any) -> bool:
    """Tell whether code before one of two convolutions puts as many zeros around as the other puts itself.

    Then what the one is given is so much larger, as was seen. Where the zeros lie is not.
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
    """Give a padding in words: zeros before and after each axis."""
    if isinstance(padding, str):
        return repr(padding)
    return f"{_sides(padding)} zeros" if any(map(any, padding)) else "nothing"


def _sides(padding: Any) -> str:
    if len(set(padding)) == 1:
        return f"{padding[0][0]} before and {padding[0][1]} after"
    return " and ".join(f"{before} before and {after} after" for before, after in padding)
