"""Causes in the configuration of a layer: its settings, its mode, its operation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from explain.backends.observation import ObservedCall
from explain.inputs.examples import Array
from explain.migration.diagnosis.hypotheses import of_border, of_dropped
from explain.migration.diagnosis.known_causes import Diagnosis
from explain.migration.diagnosis.place import Place, sizes
from explain.migration.diagnosis.weights import GATES
from explain.migration.measurement.alignment import Aligned
from explain.migration.measurement.distance import apart
from explain.migration.porting.setting_differences import setting_differences
from explain.parameters.canonical import ParameterLayer

POOLS = ("max_pooling", "average_pooling", "global_average_pooling", "global_max_pooling")

_CAUSES_BY_SETTING = {
    "padding": "padding",
    "padding_mode": "padding",
    "zeros": "padding",
    "epsilon": "epsilon",
    "activation": "activation",
    "recurrent_activation": "activation",
    "go_backwards": "time order",
    "batch_statistics": "training mode",
    "training": "training mode",
}
# The relative L2 up to which the statistics of the batch explain the outputs: rounding, also in half precision.
_BY_BATCH = 0.01


def of_training(place: Place) -> Diagnosis | None:
    """Explain by a batch normalisation or a dropout that is in training mode in one model only."""
    pair = place.pair
    if pair.a.operation == "batch_normalization" and pair.parts:
        both = ((pair.a, pair.parts[0][0]), (pair.b, pair.parts[0][1]))
        of_batch = [_is_of_batch(call, layer) for call, layer in both if call.inputs is not None]
        if len(of_batch) == 2 and of_batch[0] != of_batch[1]:
            name = "a" if of_batch[0] else "b"
            return Diagnosis(
                "training mode",
                f"{place.names}: {name} normalises by the mean and variance of the batch, as in training, not by "
                "the moving ones.",
            )
    dropped = of_dropped(pair.a.outputs, pair.b.outputs) if pair.a.operation == "dropout" else None
    return None if dropped is None else Diagnosis("training mode", f"At {place.names}, {dropped.sentence}.")


def _is_of_batch(call: ObservedCall, layer: ParameterLayer) -> bool:
    """Tell whether a batch normalisation used the statistics of the batch and not its moving ones."""
    inputs = np.asarray(call.inputs, np.float64)
    axes = tuple(range(inputs.ndim - 1))
    epsilon = float(layer.settings.get("epsilon", 1e-5))

    def gap(mean: Array, variance: Array) -> float:
        scaled = (inputs - mean) / np.sqrt(variance + epsilon)
        return apart(scaled * layer.tensors.get("gamma", 1.0) + layer.tensors.get("beta", 0.0), call.outputs)

    by_batch = gap(inputs.mean(axes), inputs.var(axes))
    if "moving_mean" not in layer.tensors:
        return by_batch < _BY_BATCH
    return by_batch < min(_BY_BATCH, gap(layer.tensors["moving_mean"], layer.tensors["moving_variance"]))


def of_settings(place: Place, one: ParameterLayer, other: ParameterLayer) -> Diagnosis | None:
    """Explain by settings in which two layers differ."""
    found = differing_settings(place.pair, one, other)
    if not found:
        return None
    return Diagnosis(found[0][0], f"{place.names}: {' '.join(text for _, text in found)}")


def differing_settings(pair: Aligned, a: ParameterLayer, b: ParameterLayer) -> list[tuple[str, str]]:
    """Give the settings in which two layers differ, each as a cause and a sentence.

    Parameters
    ----------
    pair : Aligned
        The calls; a padding may depend on the sizes of their inputs.
    a, b : ParameterLayer
        The layers.
    """
    seen = [
        replace(layer, settings={**layer.settings, "sizes": call.inputs.shape[1:-1]})
        if layer.kind == "convolution" and call.inputs is not None
        else layer
        for layer, call in ((a, pair.a), (b, pair.b))
    ]
    found = [
        (_CAUSES_BY_SETTING.get(one.setting, "settings"), one.sentence) for one in setting_differences(*seen)
    ]
    # A layer applies its activation after the outputs that were compared.
    recurrent = a.kind in (*GATES, "simple_rnn")
    return [(cause, text) for cause, text in found if cause != "activation" or recurrent]


def of_operation(place: Place) -> Diagnosis | None:
    """Explain by the operation of a layer without parameters: a pool, an activation."""
    pair = place.pair
    settings = "; ".join(
        f"{name}: " + ", ".join(f"{key}={value}" for key, value in call.settings.items())
        for name, call in (("a", pair.a), ("b", pair.b))
        if call.settings
    )
    words = (
        f"{place.names} get the same input"
        + (f" ({settings})" if settings else "")
        + " and return different outputs."
    )
    if pair.a.operation in POOLS:
        if math.isinf(pair.error) or of_border(pair.a.outputs, pair.b.outputs, pair.error) is not None:
            shapes = sizes(pair.a.outputs, pair.b.outputs)
            return Diagnosis("padding", f"{place.names} return {shapes} ({settings}).")
        return Diagnosis("pooling", words)
    if (
        pair.a.operation == pair.b.operation
        and pair.a.inputs is not None
        and pair.a.inputs.shape == pair.a.outputs.shape
    ):
        return Diagnosis("activation", words)
    return None
