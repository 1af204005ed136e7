"""The message about an explanation that has changed: by how much, the possible causes, and how to accept it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from explain.goldens.figures import MOST_SHOWN, Figures, Tolerances
from explain.goldens.file import Golden
from explain.goldens.question import Explanation
from explain.results.names import method_name


def change_message(
    path: Path,
    explanation: Explanation,
    expected: Golden,
    measured: Figures,
    tolerances: Tolerances,
    accept: str,
    pictures: Sequence[Path],
) -> str:
    """Describe what changed and by how much, the possible causes, and how to accept the change.

    Parameters
    ----------
    path : pathlib.Path
        The golden.
    explanation : Explanation
        The explanation that changed.
    expected : Golden
        The golden's content.
    measured : Figures
        The distance of each example from the golden.
    tolerances : Tolerances
        The tolerances of the check.
    accept : str
        The command that accepts the change.
    pictures : sequence of pathlib.Path
        Pictures of the change; none if they were not drawn.

    Returns
    -------
    str
        Several lines, with a table of the figures.
    """
    found, failed = explanation.attribution, measured.moved_most
    columns = (
        ("example", [str(one) for one in failed[:MOST_SHOWN]], "tolerance"),
        (
            "largest error",
            [_marked(measured.max_error[one], tolerances.max_error, -1) for one in failed[:MOST_SHOWN]],
            f"{tolerances.max_error:g}",
        ),
        (
            "rank correlation",
            [
                _marked(measured.rank_correlation[one], tolerances.rank_correlation)
                for one in failed[:MOST_SHOWN]
            ],
            f"{tolerances.rank_correlation:g}",
        ),
        (
            "top 10 %",
            [_marked(measured.top_overlap[one], tolerances.top_overlap) for one in failed[:MOST_SHOWN]],
            f"{tolerances.top_overlap:g}",
        ),
    )
    cells = [[title, *rows, bound] for title, rows, bound in columns]
    widths = [max(map(len, column)) for column in cells]
    table = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in zip(*cells, strict=True)
    ]
    count = f"{len(failed)} of {len(found)} example{'s' if len(found) > 1 else ''}"
    lines = [
        f"{method_name(found.method)} of {found.model} has changed in {count}; the golden is {path}.",
        "",
        *(f"  {line}" for line in table),
        *([f"  and {len(failed) - MOST_SHOWN} more"] if len(failed) > MOST_SHOWN else []),
        "",
        *_causes(expected.made_by, explanation.golden.made_by),
        *(
            [f"Pictures, in {pictures[0].parent}: {', '.join(one.name for one in pictures)}."]
            if pictures
            else []
        ),
        f"If the new explanation is right, accept it with: {accept}",
    ]
    return "\n".join(lines)


def _causes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """List other differences between the two runs: framework, weights, predicted classes, versions."""
    lines = []
    if before["framework"] != now["framework"]:
        lines.append(f"The golden was made in {before['framework']}, this explanation in {now['framework']}.")
    same, in_one_framework = before["weights"] == now["weights"], before["framework"] == now["framework"]
    # Goldens of version 0.1 have a digest of another kind, which is shorter. Of a model whose layers cannot be told
    # apart, the digest depends on the framework.
    is_known = before["weights"] and len(before["weights"]) == len(now["weights"])
    if is_known and (same or in_one_framework):
        lines.append(
            "The model's weights are those of the golden: the cause is in code, versions or settings."
            if same
            else f"The model's weights have changed: {before['weights'][:16]} in the golden, {now['weights'][:16]} now."
        )
    if before["predicted"] != now["predicted"] and before["predicted"] and now["predicted"]:
        rows = [
            str(index)
            for index, pair in enumerate(zip(before["predicted"], now["predicted"], strict=True))
            if pair[0] != pair[1]
        ]
        lines.append(
            f"The model now predicts another class for example{'s' if len(rows) > 1 else ''} {', '.join(rows)}."
        )
    versions = [
        f"{name} {number} (now {now['versions'][name]})"
        for name, number in before["versions"].items()
        if now["versions"].get(name, number) != number
    ]
    if versions:
        lines.append(f"Made with other versions: {', '.join(versions)}.")
    return lines


def _marked(value: float, bound: float, sign: int = 1) -> str:
    """Write a figure, with an exclamation mark if it is beyond its tolerance."""
    if np.isnan(value):
        return "–  "
    return f"{value:.4g} {'!' if sign * value < sign * bound else ' '}"
