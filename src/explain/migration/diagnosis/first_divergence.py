"""The first layer at which two models diverge, and the likely cause."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from explain.inputs.examples import Array
from explain.migration.diagnosis.known_causes import Diagnosis
from explain.migration.diagnosis.search import diagnose, diagnose_outputs
from explain.migration.measurement.alignment import Aligned
from explain.migration.measurement.given_models import GivenModel, same_inputs
from explain.migration.measurement.matching import ObservedModel
from explain.migration.measurement.rows import label
from explain.migration.report import Divergence, Row
from explain.results.names import number

# Rounding errors grow slowly from layer to layer; a real cause makes the difference jump.
_JUMP = 20.0
_ROUNDING = 5e-7
_LEAST_JUMP = 1e-5


def first_divergence(
    aligned: Sequence[Aligned],
    rows: Sequence[Row],
    models: Sequence[ObservedModel],
    few: Sequence[GivenModel],
    outputs: Mapping[str, tuple[Array, Array]],
) -> tuple[Divergence | None, Diagnosis | None]:
    """Find where two models diverge, and why.

    Parameters
    ----------
    aligned : sequence of Aligned
        The pairs of layers.
    rows : sequence of Row
        All comparisons.
    models : sequence of ObservedModel
        The two models.
    few : sequence of GivenModel
        The same two models with the examples that were compared layer by layer.
    outputs : Mapping of str to (numpy.ndarray, numpy.ndarray)
        The outputs of both models by name.

    Returns
    -------
    (Divergence or None, Diagnosis or None)
        None if every row passed.
    """
    failed = [row for row in rows if row.passed is False]
    if not failed:
        return None, None
    if any(row.stage == "layers" for row in failed) or (aligned and failed[0].stage == "outputs"):
        index = first_leap(aligned)
        if index is not None:
            pair, found = aligned[index], diagnose(index, aligned, *models)
            names = (
                ("input", "input")
                if found.at_input
                else (label(pair.a.name, pair.a.call), label(pair.b.name, pair.b.call))
            )
            return Divergence(*names, pair.error, pair.before), found
        grown = _grown(aligned, failed[0])
        if grown is not None:
            return grown
    if not aligned and not same_inputs(*few):
        inputs = list(zip(few[0].canonical, few[1].canonical, strict=False))
        found = diagnose_outputs(inputs, at_input=True)
        return Divergence("input", "input", failed[0].error or math.inf), found
    error = failed[0].error or 0.0
    if error == math.inf and failed[0].stage == "outputs":
        cause = "unknown" if failed[0].note.startswith("NaN") else "architecture"
        return Divergence("output", "output", error), Diagnosis(cause, f"Of the outputs, {failed[0].note}.")
    if failed[0].stage == "attributions":
        evidence = (
            f"Outputs and layers agree, but the maps of {failed[0].a} do not: the two models compute the same with "
            "operations whose gradients differ."
        )
        return Divergence("output", "output", error), Diagnosis("gradient", evidence)
    return Divergence("output", "output", error), diagnose_outputs(list(outputs.values()))


def _grown(aligned: Sequence[Aligned], failed: Row) -> tuple[Divergence, Diagnosis] | None:
    """Explain a failure by rounding, if the difference grows from layer to layer without a jump."""
    most = max(aligned, key=lambda pair: pair.error)
    if failed.error is None or not failed.error <= _JUMP * most.error:
        return None
    beyond = next((pair for pair in aligned if pair.error > failed.tolerance), most)
    evidence = (
        f"The difference grows from layer to layer without a jump, to {number(most.error)} at {most.a.name}, as "
        "rounding does."
    )
    names = label(beyond.a.name, beyond.a.call), label(beyond.b.name, beyond.b.call)
    return Divergence(*names, beyond.error, beyond.before), Diagnosis("precision", evidence)


def first_leap(aligned: Sequence[Aligned]) -> int | None:
    """Give the first pair at which the difference grows by more than rounding explains; None if there is none."""
    most = _ROUNDING
    for index, pair in enumerate(aligned):
        if pair.error > max(_LEAST_JUMP, _JUMP * most):
            return index
        most = max(most, pair.error)
    return None
