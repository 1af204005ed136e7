"""Causes before a layer: in its inputs, and in the layers between it and the pair before."""

from __future__ import annotations

from explain.migration.diagnosis.hypotheses import of_activations, of_border, of_dropped, of_inputs
from explain.migration.diagnosis.known_causes import Diagnosis
from explain.migration.diagnosis.place import Place, differ_in_space, sizes
from explain.migration.diagnosis.settings import POOLS
from explain.migration.measurement.alignment import Aligned
from explain.migration.measurement.matching import MOVES_ONLY


def of_layer_inputs(place: Place) -> Diagnosis | None:
    """Explain by the inputs of the two layers."""
    pair = place.pair
    one, other = pair.inputs
    if one is None or other is None:
        return None
    whole = min(pair.before if pair.before is not None else 1.0, 1.0)
    if place.is_first:
        found = of_inputs(one, other, whole)
        if found is None:
            return None
        words = f"In the input of the first layer, {place.names}, {found.sentence}."
        return Diagnosis(found.cause, words, at_input=True)
    found = (
        of_dropped(one, other)
        or of_activations(one, other, whole)
        or of_border(one, other, whole)
        or of_inputs(one, other, whole)
    )
    if found is not None and found.cause == "value range":
        # After the first layer, this does not concern the model's input: one model has a layer that scales.
        words = f"Between the layers that agree and {place.names} only one model scales: {found.sentence}."
        return Diagnosis("architecture", words)
    if found is not None:
        return Diagnosis(found.cause, f"In the input of {place.names}, {found.sentence}.")
    order = place.flattened_as_in_b
    if order is None:
        return None
    return Diagnosis("flatten order", f"b flattens the map before {place.names} in the order {order}.")


def of_layers_between(place: Place, last: Aligned | None) -> Diagnosis | None:
    """Explain by different operations between the previous pair, which agrees, and this pair."""
    both = (place.a, place.pair.a, last and last.a), (place.b, place.pair.b, last and last.b)
    seen = []
    for model, own, before in both:
        calls = model.observation.calls
        start = 0 if before is None else calls.index(before) + 1
        # A layer applies its own activation after the outputs that are compared.
        applied = [before.activation] if before and before.activation else []
        between = [call.operation for call in calls[start : calls.index(own)]]
        seen.append([word for word in (*applied, *between) if word not in MOVES_ONLY])
    if not all(seen) or seen[0] == seen[1]:
        return None
    pools = [[word for word in one if word in POOLS] for one in seen]
    operations = f"{', '.join(seen[0])} in a and {', '.join(seen[1])} in b"
    cause = "pooling" if pools[0] != pools[1] else "activation"
    return Diagnosis(cause, f"Between the layers that agree and {place.names} come {operations}.")


def of_shapes(place: Place) -> Diagnosis | None:
    """Explain by padding: inputs or outputs of different sizes, or zeros around the input in one model only."""
    pair = place.pair
    one, other = pair.inputs
    if pair.zeros:
        return Diagnosis("padding", f"Around the input of {place.names}, {pair.zeros}.")
    if one is not None and other is not None and differ_in_space(one, other):
        evidence = f"The input of {place.names} is {sizes(one, other)}: a layer before it pads differently."
        return Diagnosis("padding", evidence)
    if differ_in_space(pair.a.outputs, pair.b.outputs):
        return Diagnosis("padding", f"{place.names} return {sizes(pair.a.outputs, pair.b.outputs)}.")
    return None
