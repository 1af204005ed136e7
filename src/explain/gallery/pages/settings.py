"""The settings with which a result was computed, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from explain.results.attribution import Attribution
from explain.results.integration_text import CHOICE_OPTIONS, steps_text, tolerance_of
from explain.results.names import percent


def integration_words(attribution: Attribution) -> list[str]:
    """Describe the steps and the rule of an integral, and the error of the map that it was computed for.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((2, 2), np.float32)
    >>> options = {"n_steps": "auto", "rule": None, "tolerance": 0.02, "max_steps": 405}
    >>> made = {"steps": np.array([15, 45]), "rule": "midpoint", "options": options}
    >>> integration_words(Attribution(ones, ones, "NC", "ig", np.ones(2), **made))
    ['15 to 45 midpoint steps', 'chosen for a map error of at most 2 %', 'at most 405 steps']
    """
    steps = steps_text(attribution)
    if steps is None:
        return []
    words = [steps]
    tolerance = tolerance_of(attribution)
    if tolerance is not None:
        words.append(f"chosen for a map error of at most {percent(tolerance)}")
        if attribution.options.get("max_steps") is not None:
            words.append(f"at most {attribution.options['max_steps']} steps")
    return words


def option_words(attribution: Attribution, separator: str) -> list[str]:
    """Write the options of a method with their names, without the options that choose the steps of an integral.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((1, 2), np.float32)
    >>> a = Attribution(ones, ones, "NC", "ig", np.ones(1), options={"n_steps": 4, "rate": 0.50})
    >>> option_words(a, ": ")
    ['n_steps: 4', 'rate: 0.5']
    """
    covered = CHOICE_OPTIONS if attribution.steps is not None else ()
    shown: Mapping[str, Any] = {
        name: value for name, value in attribution.options.items() if name not in covered
    }
    return [f"{name}{separator}{_written(value)}" for name, value in shown.items()]


def _written(value: Any) -> str:
    """Write the value of an option; a list has one value per example."""
    if isinstance(value, list):
        return ", ".join(map(_written, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
