"""From what was compared to where two models part and why, and what is worth knowing where they do not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from explain.inputs.examples import Array
from explain.migration.diagnosis.known_causes import Diagnosis
from explain.migration.diagnosis.search import diagnose, diagnose_outputs, differing_settings
from explain.migration.measurement.alignment import Aligned
from explain.migration.measurement.given_models import Side, same_inputs
from explain.migration.measurement.matching import Model
from explain.migration.measurement.rows import label
from explain.migration.report import Divergence, Row
from explain.results.names import number

# Where rounding is amplified from layer to layer, it grows slowly; a cause shows as a leap.
_LEAP = 20.0
_ROUNDING = 5e-7
_LEAST_LEAP = 1e-5

# A difference that is gone to this part of itself in the outputs was made good on the way, and did not fade.
_MADE_GOOD = 0.01

# How many of one kind are listed.
_NOTES = 5


def made_good(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """Pass over layers that differ where what follows makes it good: a bias or a scale was moved to the next layer.

    Only where the outputs are again as near each other as if nothing had been, and everything else passes.
    """
    others = [row for row in rows if row.stage != "layers"]
    outputs = [row.error for row in rows if row.stage == "outputs" and row.error is not None]
    if not outputs or any(row.passed is False for row in others):
        return list(rows), []
    found, names = [], []
    for row in rows:
        if row.passed is False and row.error is not None and max(outputs) < _MADE_GOOD * row.error:
            names.append(row.a if row.a == row.b else f"{row.a} | {row.b}")
            row = replace(row, passed=None)
        found.append(row)
    listed = ", ".join(names[:_NOTES]) + (f" and {len(names) - _NOTES} more" if len(names) > _NOTES else "")
    told = f"What {listed} gives differs, and what follows makes it good: its weights are arranged otherwise."
    return found, [told] if names else []


def first_divergence(
    aligned: Sequence[Aligned],
    rows: Sequence[Row],
    models: Sequence[Model],
    few: Sequence[Side],
    outputs: Mapping[str, tuple[Array, Array]],
) -> tuple[Divergence | None, Diagnosis | None]:
    """Find where the two part, and why."""
    failed = [row for row in rows if row.passed is False]
    if not failed:
        return None, None
    if any(row.stage == "layers" for row in failed) or (aligned and failed[0].stage == "outputs"):
        place = first_leap(aligned)
        if place is not None:
            pair, found = aligned[place], diagnose(place, aligned, *models)
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
        reaching = list(zip(few[0].canonical, few[1].canonical, strict=False))
        found = diagnose_outputs(reaching, at_input=True)
        return Divergence("input", "input", failed[0].error or math.inf), found
    error = failed[0].error or 0.0
    if error == math.inf and failed[0].stage == "outputs":
        cause = "unknown" if failed[0].note.startswith("NaN") else "architecture"
        return Divergence("output", "output", error), Diagnosis(cause, f"Of the outputs, {failed[0].note}.")
    if failed[0].stage == "attributions":
        evidence = (
            f"Outputs and layers agree, but the maps of {failed[0].a} do not: the two models compute the same by "
            "operations whose gradients differ."
        )
        return Divergence("output", "output", error), Diagnosis("gradient", evidence)
    return Divergence("output", "output", error), diagnose_outputs(list(outputs.values()))


def _grown(aligned: Sequence[Aligned], failed: Row) -> tuple[Divergence, Diagnosis] | None:
    """Explain what is beyond a narrow tolerance by rounding that grows from layer to layer, if the layers show it."""
    most = max(aligned, key=lambda pair: pair.error)
    if failed.error is None or not failed.error <= _LEAP * most.error:
        return None
    beyond = next((pair for pair in aligned if pair.error > failed.tolerance), most)
    evidence = (
        f"The difference grows from layer to layer without a leap, to {number(most.error)} at {most.a.name}, as "
        "rounding does."
    )
    names = label(beyond.a.name, beyond.a.call), label(beyond.b.name, beyond.b.call)
    return Divergence(*names, beyond.error, beyond.before), Diagnosis("precision", evidence)


def first_leap(aligned: Sequence[Aligned]) -> int | None:
    """Give the first pair at which the difference leaps: by more than rounding that grows from layer to layer."""
    most = _ROUNDING
    for place, pair in enumerate(aligned):
        if pair.error > max(_LEAST_LEAP, _LEAP * most):
            return place
        most = max(most, pair.error)
    return None


def harmless(aligned: Sequence[Aligned], divergence: Divergence | None) -> list[str]:
    """List settings that differ and, on these examples, make no difference that matters."""
    if divergence is not None:
        return []
    found = [
        f"{pair.a.name}: {sentence}"
        for pair in aligned
        for parts in pair.parts
        for _, sentence in differing_settings(pair, *parts)
    ]
    rest = len(found) - _NOTES
    return [*found[:_NOTES], *([f"{rest} more settings differ in the same way."] if rest > 0 else [])]
