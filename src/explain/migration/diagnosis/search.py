"""Why two models part at a layer: what it was given, what it holds, what it is set to, how it runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from explain.backends.observation import ObservedCall
from explain.inputs.examples import Array
from explain.migration.diagnosis.hypotheses import of_activations, of_border, of_dropped, of_inputs
from explain.migration.diagnosis.known_causes import Diagnosis, Here
from explain.migration.diagnosis.weights import GATES, of_weights
from explain.migration.measurement.alignment import Aligned
from explain.migration.measurement.distance import apart
from explain.migration.measurement.matching import MOVES_ONLY, Model
from explain.migration.porting.setting_differences import setting_differences
from explain.parameters.canonical import ParameterLayer
from explain.results.names import percent

# What reaches a layer is the same if it differs this much less than what leaves it.
_SAME_INPUT = 0.1
_ROUNDING = 1e-5
_OF_SETTINGS = {
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
_POOLS = ("max_pooling", "average_pooling", "global_average_pooling", "global_max_pooling")
# What the batch's own statistics leave unexplained, at most: rounding, also of half precision.
_BY_BATCH = 0.01
_LOW_PRECISION = ("float16", "bfloat16")


def diagnose(place: int, aligned: Sequence[Aligned], a: Model, b: Model) -> Diagnosis:
    """Find the likely cause for which two calls give different values.

    Parameters
    ----------
    place : int
        The first pair whose values are apart.
    aligned : sequence of Aligned
        All pairs.
    a, b : Model
        The two models.
    """
    pair = aligned[place]
    here = Here(pair, a, b, is_first=place == 0)
    if pair.before is not None and pair.before <= max(_ROUNDING, _SAME_INPUT * min(pair.error, 1.0)):
        found = _inside(here) or _reshaped(here)
        return found or Diagnosis("unknown", f"{here.names} are given the same and give different values.")
    for found in _reasons(here, aligned[place - 1] if place else None):
        if found is not None:
            return found
    if place == 0:
        gap = "of another shape" if pair.before is None else f"{percent(pair.before)} apart"
        return Diagnosis("preprocessing", f"What reaches {here.names} is {gap}.", at_input=True)
    return Diagnosis(
        "unknown",
        f"What reaches {here.names} differs, though the layers before it that could be compared agree: something "
        "between them is not the same.",
    )


def _reasons(here: Here, last: Aligned | None) -> Iterator[Diagnosis | None]:
    """Look for the cause where what reaches the layer differs: what is exact before what only may be."""
    yield _outside(here, first=last is None)
    if here.pair.before is None:
        # Of another shape, which may be the layer's own affair: it pads, and the other has a layer for that.
        yield _inside(here)
    yield _between(here, last)
    yield _inside(here)
    yield _reshaped(here)


def _inside(here: Here) -> Diagnosis | None:
    """Look for the cause in the layer itself."""
    return next((found for found in _reasons_inside(here) if found is not None), None)


def _reasons_inside(here: Here) -> Iterator[Diagnosis | None]:
    pair = here.pair
    yield _training(here)
    for one, other in pair.parts:
        yield of_weights(here, one, other)
    for one, other in pair.parts:
        yield _settings(here, one, other)
    if not pair.parts:
        yield _without_parameters(here)
    border = of_border(pair.a.outputs, pair.b.outputs, min(pair.error, 1.0))
    yield None if border is None else Diagnosis(border.cause, f"At {here.names}, {border.sentence}.")
    calls = {"a": pair.a, "b": pair.b}
    low = [f"{name} computes in {call.dtype}" for name, call in calls.items() if call.dtype in _LOW_PRECISION]
    yield Diagnosis("precision", f"At {here.names}, {' and '.join(low)}.") if len(low) == 1 else None


def _outside(here: Here, *, first: bool) -> Diagnosis | None:
    """Look for the cause in what the layer is given."""
    pair = here.pair
    one, other = pair.inputs
    if one is None or other is None:
        return None
    whole = min(pair.before if pair.before is not None else 1.0, 1.0)
    if first:
        found = of_inputs(one, other, whole)
        if found is None:
            return None
        words = f"In what reaches the first layer, {here.names}, {found.sentence}."
        return Diagnosis(found.cause, words, at_input=True)
    found = (
        of_dropped(one, other)
        or of_activations(one, other, whole)
        or of_border(one, other, whole)
        or of_inputs(one, other, whole)
    )
    if found is not None and found.cause == "value range":
        # Behind the first layer it is no matter of the input: one of them has a layer that scales.
        words = (
            f"Between the layers that agree and {here.names} only one of the two scales: {found.sentence}."
        )
        return Diagnosis("architecture", words)
    if found is not None:
        return Diagnosis(found.cause, f"In what reaches {here.names}, {found.sentence}.")
    order = here.flattened_as_in_b
    if order is None:
        return None
    return Diagnosis("flatten order", f"b flattens the map before {here.names} in the order {order}.")


def _between(here: Here, last: Aligned | None) -> Diagnosis | None:
    """Explain by what the two models do otherwise between the pair before, that agrees, and this one."""
    sides = (here.a, here.pair.a, last and last.a), (here.b, here.pair.b, last and last.b)
    seen = []
    for model, own, before in sides:
        calls = model.observation.calls
        start = 0 if before is None else calls.index(before) + 1
        # What a layer applies itself comes after what was compared.
        applied = [before.activation] if before and before.activation else []
        between = [call.operation for call in calls[start : calls.index(own)]]
        seen.append([word for word in (*applied, *between) if word not in MOVES_ONLY])
    if not all(seen) or seen[0] == seen[1]:
        return None
    pools = [[word for word in one if word in _POOLS] for one in seen]
    told = f"{', '.join(seen[0])} in a and {', '.join(seen[1])} in b"
    cause = "pooling" if pools[0] != pools[1] else "activation"
    return Diagnosis(cause, f"Between the layers that agree and {here.names} come {told}.")


def _reshaped(here: Here) -> Diagnosis | None:
    """Explain inputs or outputs of different shapes, or zeros around the input in one model only."""
    pair = here.pair
    one, other = pair.inputs
    if pair.zeros:
        return Diagnosis("padding", f"Around what reaches {here.names}, {pair.zeros}.")
    if one is not None and other is not None and _differ_in_space(one, other):
        shapes = f"{_space(one)} in a and {_space(other)} in b"
        return Diagnosis(
            "padding", f"What reaches {here.names} is {shapes}: a layer before it pads otherwise."
        )
    if _differ_in_space(pair.a.outputs, pair.b.outputs):
        shapes = f"{_space(pair.a.outputs)} in a and {_space(pair.b.outputs)} in b"
        return Diagnosis("padding", f"{here.names} give {shapes}.")
    return None


def _differ_in_space(a: Array, b: Array) -> bool:
    return a.ndim == b.ndim > 2 and a.shape[1:-1] != b.shape[1:-1] and a.shape[-1] == b.shape[-1]


def _space(array: Array) -> str:
    return " × ".join(map(str, array.shape[1:-1])) or str(array.shape[-1])


def _training(here: Here) -> Diagnosis | None:
    """Explain by a layer that runs as in training in one model only."""
    pair = here.pair
    if pair.a.operation == "batch_normalization" and pair.parts:
        sides = ((pair.a, pair.parts[0][0]), (pair.b, pair.parts[0][1]))
        of_batch = [_is_of_batch(call, layer) for call, layer in sides if call.inputs is not None]
        if len(of_batch) == 2 and of_batch[0] != of_batch[1]:
            name = "a" if of_batch[0] else "b"
            return Diagnosis(
                "training mode",
                f"{here.names}: {name} normalises by the mean and variance of the batch, as in training, and not by "
                "the moving ones.",
            )
    dropped = of_dropped(pair.a.outputs, pair.b.outputs) if pair.a.operation == "dropout" else None
    return None if dropped is None else Diagnosis("training mode", f"At {here.names}, {dropped.sentence}.")


def _is_of_batch(call: ObservedCall, layer: ParameterLayer) -> bool:
    """Tell whether a batch normalisation gave what the batch's own statistics give, and not the moving ones."""
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


def _settings(here: Here, one: ParameterLayer, other: ParameterLayer) -> Diagnosis | None:
    """Explain by what the layer is set to."""
    found = differing_settings(here.pair, one, other)
    if not found:
        return None
    return Diagnosis(found[0][0], f"{here.names}: {' '.join(text for _, text in found)}")


def differing_settings(pair: Aligned, a: ParameterLayer, b: ParameterLayer) -> list[tuple[str, str]]:
    """Give what two layers are set to otherwise, each as a cause and a sentence.

    Parameters
    ----------
    pair : Aligned
        The calls, from which the sizes are known that a padding depends on.
    a, b : ParameterLayer
        The layers.
    """
    seen = [
        replace(layer, settings={**layer.settings, "sizes": call.inputs.shape[1:-1]})
        if layer.kind == "convolution" and call.inputs is not None
        else layer
        for layer, call in ((a, pair.a), (b, pair.b))
    ]
    found = [(_OF_SETTINGS.get(one.setting, "settings"), one.sentence) for one in setting_differences(*seen)]
    # An activation that a layer applies comes after what was compared.
    recurrent = a.kind in (*GATES, "simple_rnn")
    return [(cause, text) for cause, text in found if cause != "activation" or recurrent]


def _without_parameters(here: Here) -> Diagnosis | None:
    pair = here.pair
    told = "; ".join(
        f"{name}: " + ", ".join(f"{key}={value}" for key, value in call.settings.items())
        for name, call in (("a", pair.a), ("b", pair.b))
        if call.settings
    )
    words = (
        f"{here.names} are given the same" + (f" ({told})" if told else "") + " and give different values."
    )
    if pair.a.operation in _POOLS:
        if math.isinf(pair.error) or of_border(pair.a.outputs, pair.b.outputs, pair.error) is not None:
            shapes = f"{_space(pair.a.outputs)} in a and {_space(pair.b.outputs)} in b"
            return Diagnosis("padding", f"{here.names} give {shapes} ({told}).")
        return Diagnosis("pooling", words)
    if (
        pair.a.operation == pair.b.operation
        and pair.a.inputs is not None
        and pair.a.inputs.shape == pair.a.outputs.shape
    ):
        return Diagnosis("activation", words)
    return None


def diagnose_outputs(pairs: Sequence[tuple[Array, Array]], *, at_input: bool = False) -> Diagnosis:
    """Find the likely cause for which outputs differ while every layer that could be compared agrees."""
    where = "input" if at_input else "output"
    for one, other in pairs:
        if one.shape != other.shape:
            shapes = f"{one.shape} in a and {other.shape} in b"
            return Diagnosis("architecture", f"The {where}s have shapes {shapes}.", at_input)
        whole = apart(one, other)
        found = of_inputs(one, other, whole) if at_input else of_activations(one, other, whole)
        if found is not None:
            return Diagnosis(found.cause, f"Of the {where}s, {found.sentence}.", at_input)
    if at_input:
        return Diagnosis("preprocessing", "What the two are given is not the same.", at_input)
    return Diagnosis(
        "unknown",
        "The outputs differ, though every layer that could be compared agrees: something after them differs.",
    )
