"""What an attribution says of each example, without its values, as plain data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from explain.results.attribution import Attribution
from explain.results.exports import plain_data
from explain.results.names import class_name, example_name

_COLUMNS = ("delta", "relative_delta", "steps", "map_error")


def summary(attribution: Attribution) -> dict[str, Any]:
    """Give what an attribution says of each example, without its values, as plain data for JSON.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.ones((1, 2), np.float32)
    >>> a = Attribution(x, x, "NC", "saliency", np.array([1.5]), target=(3,), predicted=np.array([3]))
    >>> summary(a)["examples"]
    [{'name': 'example 0', 'target': 3, 'class': 'class 3', 'score': 1.5, 'predicted': 3, 'predicted_class': 'class 3'}]
    """
    predicted = attribution.predicted
    examples = []
    for index in range(len(attribution)):
        target = attribution.target[index] if attribution.target else None
        row: dict[str, Any] = {
            "name": example_name(attribution, index),
            "target": list(target) if isinstance(target, tuple) else target,
            "class": class_name(attribution, target),
            "score": _finite(attribution.scores[index]),
        }
        if predicted is not None:
            row["predicted"] = plain_data(predicted[index])
            # Of a sequence there may be a class for each step.
            if np.ndim(predicted[index]) == 0:
                row["predicted_class"] = class_name(attribution, int(predicted[index]))
        for column in _COLUMNS:
            if (array := getattr(attribution, column)) is not None:
                row[column] = _finite(array[index])
        examples.append(row)
    plain = ("method", "engine", "framework", "model", "layer", "score", "layout", "seed")
    return {
        **{name: getattr(attribution, name) for name in plain},
        "options": plain_data(attribution.options),
        "shape": list(attribution.values.shape),
        "versions": dict(attribution.versions),
        "warnings": list(attribution.notes),
        "preprocessing": dict(attribution.display.preprocessing),
        "examples": examples,
    }


def _finite(number: Any) -> float | int | None:
    """Give a number as JSON can write it: what is not finite, such as a share of zero, is None."""
    value: float | int = number.item()
    return value if math.isfinite(value) else None
