"""The search for the cause of a divergence: the possible causes, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from explain.inputs.examples import Array
from explain.migration.diagnosis.hypotheses import of_activations, of_border, of_inputs
from explain.migration.diagnosis.known_causes import Diagnosis
from explain.migration.diagnosis.layer_inputs import of_layer_inputs, of_layers_between, of_shapes
from explain.migration.diagnosis.place import Place
from explain.migration.diagnosis.settings import of_operation, of_settings, of_training
from explain.migration.diagnosis.weights import of_weights
from explain.migration.measurement.alignment import Aligned
from explain.migration.measurement.distance import apart
from explain.migration.measurement.matching import ObservedModel
from explain.results.names import percent

# The inputs of two layers agree if their difference is below this share of the outputs' difference.
_SAME_INPUT = 0.1
_ROUNDING = 1e-5
_LOW_PRECISION = ("float16", "bfloat16")


def diagnose(index: int, aligned: Sequence[Aligned], a: ObservedModel, b: ObservedModel) -> Diagnosis:
    """Find the likely cause of a difference between the outputs of two layers.

    Parameters
    ----------
    index : int
        Which of the pairs is the first whose outputs differ.
    aligned : sequence of Aligned
        All pairs.
    a, b : ObservedModel
        The two models.
    """
    pair = aligned[index]
    place = Place(pair, a, b, is_first=index == 0)
    if pair.before is not None and pair.before <= max(_ROUNDING, _SAME_INPUT * min(pair.error, 1.0)):
        found = _in_the_layer(place) or of_shapes(place)
        return found or Diagnosis(
            "unknown", f"{place.names} get the same input and return different outputs."
        )
    for found in _causes(place, aligned[index - 1] if index else None):
        if found is not None:
            return found
    if place.is_first:
        gap = "of another shape" if pair.before is None else f"{percent(pair.before)} apart"
        return Diagnosis("preprocessing", f"The input of {place.names} is {gap}.", at_input=True)
    return Diagnosis(
        "unknown",
        f"The input of {place.names} differs, though the layers before it that could be compared agree: something "
        "between them is not the same.",
    )


def _causes(place: Place, last: Aligned | None) -> Iterator[Diagnosis | None]:
    """Search for the cause if the inputs differ: certain explanations before likely ones."""
    yield of_layer_inputs(place)
    if place.pair.before is None:
        # Different input shapes may be due to the layer itself: it pads, and in the other model a previous layer does.
        yield _in_the_layer(place)
    yield of_layers_between(place, last)
    yield _in_the_layer(place)
    yield of_shapes(place)


def _in_the_layer(place: Place) -> Diagnosis | None:
    """Search for the cause in the layer itself."""
    return next((found for found in _causes_in_the_layer(place) if found is not None), None)


def _causes_in_the_layer(place: Place) -> Iterator[Diagnosis | None]:
    pair = place.pair
    yield of_training(place)
    for one, other in pair.parts:
        yield of_weights(place, one, other)
    for one, other in pair.parts:
        yield of_settings(place, one, other)
    if not pair.parts:
        yield of_operation(place)
    border = of_border(pair.a.outputs, pair.b.outputs, min(pair.error, 1.0))
    yield None if border is None else Diagnosis(border.cause, f"At {place.names}, {border.sentence}.")
    calls = {"a": pair.a, "b": pair.b}
    low = [f"{name} computes in {call.dtype}" for name, call in calls.items() if call.dtype in _LOW_PRECISION]
    yield Diagnosis("precision", f"At {place.names}, {' and '.join(low)}.") if len(low) == 1 else None


def diagnose_outputs(pairs: Sequence[tuple[Array, Array]], *, at_input: bool = False) -> Diagnosis:
    """Find the likely cause of different outputs although every compared layer agrees, or of different inputs.

    Parameters
    ----------
    pairs : sequence of (numpy.ndarray, numpy.ndarray)
        The outputs, or the inputs, of the two models.
    at_input : bool
        Whether they are inputs.
    """
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
        return Diagnosis("preprocessing", "The inputs of the two models are not the same.", at_input)
    return Diagnosis(
        "unknown",
        "The outputs differ, though every layer that could be compared agrees: something after them differs.",
    )
