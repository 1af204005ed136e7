"""Differences without effect: layers whose difference later layers compensate, and settings that change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from explain.migration.diagnosis.settings import differing_settings
from explain.migration.measurement.alignment import Aligned
from explain.migration.report import Divergence, Row

# A difference that shrinks to this share in the outputs was compensated by later layers.
_COMPENSATED = 0.01
_MOST_LISTED = 5


def pass_compensated_layers(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """Do not fail layers whose difference the next layers compensate: a bias or a scale was moved to the next layer.

    This applies only if the outputs agree as if there were no difference, and all other rows pass.

    Returns
    -------
    (list of Row, list of str)
        The rows, the compensated ones with `passed` None; a note if there are any.
    """
    others = [row for row in rows if row.stage != "layers"]
    outputs = [row.error for row in rows if row.stage == "outputs" and row.error is not None]
    if not outputs or any(row.passed is False for row in others):
        return list(rows), []
    found, names = [], []
    for row in rows:
        if row.passed is False and row.error is not None and max(outputs) < _COMPENSATED * row.error:
            names.append(row.a if row.a == row.b else f"{row.a} | {row.b}")
            row = replace(row, passed=None)
        found.append(row)
    listed = ", ".join(names[:_MOST_LISTED]) + (
        f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    )
    note = f"The output of {listed} differs, and the next layers compensate it: the weights are arranged differently."
    return found, [note] if names else []


def settings_without_effect(aligned: Sequence[Aligned], divergence: Divergence | None) -> list[str]:
    """List settings that differ although the models agree on these examples."""
    if divergence is not None:
        return []
    found = [
        f"{pair.a.name}: {sentence}"
        for pair in aligned
        for parts in pair.parts
        for _, sentence in differing_settings(pair, *parts)
    ]
    rest = len(found) - _MOST_LISTED
    return [*found[:_MOST_LISTED], *([f"{rest} more settings differ in the same way."] if rest > 0 else [])]
