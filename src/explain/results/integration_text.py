"""How an integral was computed: its steps, rule and error as text for pictures and tables."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.results.attribution import Attribution
from explain.results.names import listed, percent_at_most

RULE_NAMES = {
    "fejer": "Fejér",
    "gauss_legendre": "Gauss–Legendre",
    "riemann_left": "left Riemann",
    "riemann_right": "right Riemann",
}

# The options that control how steps are chosen; the chosen steps are in the result.
CHOICE_OPTIONS = ("n_steps", "rule", "nodes", "tolerance", "max_steps")


def rule_name(rule: str) -> str:
    """Write a rule of integration as it is displayed.

    Examples
    --------
    >>> rule_name("gauss_legendre"), rule_name("midpoint"), rule_name("of_mine")
    ('Gauss–Legendre', 'midpoint', 'of mine')
    """
    return RULE_NAMES.get(rule, rule.replace("_", " "))


def steps_text(attribution: Attribution, example: int | None = None) -> str | None:
    """Write the number of steps of an integral and its rule; None if the method does not integrate.

    Parameters
    ----------
    attribution : Attribution
        Of any method.
    example : int, optional
        Which example; by default the least and the greatest number of all examples.

    Examples
    --------
    >>> ones = np.ones((2, 2), np.float32)
    >>> a = Attribution(ones, ones, "NC", "ig", np.ones(2), steps=np.array([1, 45]), rule="midpoint")
    >>> steps_text(a, 0), steps_text(a, 1), steps_text(a)
    ('1 midpoint step', '45 midpoint steps', '1 to 45 midpoint steps')
    """
    if attribution.steps is None:
        return None
    steps = np.asarray(attribution.steps)
    shown = steps if example is None else steps[[example]]
    noun = "step" if shown.size and shown.max() == 1 else "steps"
    return " ".join(filter(None, (_span(shown), rule_name(attribution.rule), noun)))


def map_error_text(attribution: Attribution, example: int) -> str | None:
    """Write the estimated error of one map; None if there is no estimate.

    Examples
    --------
    >>> ones = np.ones((2, 2), np.float32)
    >>> a = Attribution(ones, ones, "NC", "ig", np.ones(2), map_error=np.array([0.0161, np.nan]))
    >>> map_error_text(a, 0), map_error_text(a, 1)
    ('map error ≤ 1.7 %', None)
    """
    if attribution.map_error is None:
        return None
    error = float(attribution.map_error[example])
    return None if math.isnan(error) else f"map error ≤ {percent_at_most(error)}"


def tolerance_of(attribution: Attribution) -> float | None:
    """Give the tolerance for the error of the map; None if the tolerance did not determine the steps.

    Examples
    --------
    >>> ones = np.ones((1, 2), np.float32)
    >>> options = {"n_steps": "auto", "tolerance": 0.02}
    >>> tolerance_of(Attribution(ones, ones, "NC", "ig", np.ones(1), options=options))
    0.02
    """
    options = attribution.options
    # If the caller gives the number of steps, the tolerance has no effect, although it has a default.
    chosen = isinstance(options.get("n_steps"), str) and options.get("tolerance") is not None
    return float(options["tolerance"]) if chosen else None


def misses_tolerance(attribution: Attribution, example: int) -> bool:
    """Tell whether the estimated error of one map is above the tolerance.

    Examples
    --------
    >>> ones = np.ones((2, 2), np.float32)
    >>> options = {"n_steps": "auto", "tolerance": 0.02}
    >>> a = Attribution(
    ...     ones, ones, "NC", "ig", np.ones(2), map_error=np.array([0.02, 0.03]), options=options
    ... )
    >>> misses_tolerance(a, 0), misses_tolerance(a, 1)
    (False, True)
    """
    tolerance = tolerance_of(attribution)
    if tolerance is None or attribution.map_error is None:
        return False
    return float(attribution.map_error[example]) > tolerance


@dataclass(frozen=True)
class Difference:
    """A field in which two attributions differ: its two values, and the examples, if not all."""

    name: str
    one: str
    other: str
    where: str = ""


def integration_differences(a: Attribution, b: Attribution) -> list[Difference]:
    """List the differences of two attributions in steps, rule and chunk size.

    A field that one of the two does not have (a method without steps, an older file) does not count as a difference.

    Parameters
    ----------
    a, b : Attribution
        Of the same number of examples.

    Returns
    -------
    list of Difference
        At most three: of ``steps``, ``rule`` and ``batch_size``.

    Examples
    --------
    >>> ones = np.ones((2, 2), np.float32)
    >>> a = Attribution(ones, ones, "NC", "ig", np.ones(2), steps=np.array([15, 45]), rule="midpoint")
    >>> b = Attribution(ones, ones, "NC", "ig", np.ones(2), steps=np.array([15, 15]), rule="midpoint")
    >>> integration_differences(a, b)
    [Difference(name='steps', one='45', other='15', where='example 1')]
    """
    found = []
    if a.steps is not None and b.steps is not None:
        one, other = np.asarray(a.steps), np.asarray(b.steps)
        differing = np.flatnonzero(one != other)
        if differing.size:
            examples = f"example{'s' if differing.size > 1 else ''} {listed(list(differing))}"
            where = "" if differing.size == len(one) else examples
            found.append(Difference("steps", _span(one[differing]), _span(other[differing]), where))
    if a.rule and b.rule and a.rule != b.rule:
        found.append(Difference("rule", a.rule, b.rule))
    if a.batch_size and b.batch_size and a.batch_size != b.batch_size:
        found.append(Difference("batch_size", str(a.batch_size), str(b.batch_size)))
    return found


def differences_text(a: Attribution, b: Attribution) -> str:
    """Write the differences of two attributions in steps, rule and chunk size as text; empty if there are none.

    Examples
    --------
    >>> ones = np.ones((1, 2), np.float32)
    >>> a = Attribution(ones, ones, "NC", "ig", np.ones(1), rule="midpoint", batch_size=64)
    >>> b = Attribution(ones, ones, "NC", "ig", np.ones(1), rule="gauss_legendre", batch_size=32)
    >>> differences_text(a, b)
    'differing in rule (midpoint and Gauss–Legendre), chunk size (64 and 32)'
    """
    parts = []
    for one in integration_differences(a, b):
        values = [rule_name(value) if one.name == "rule" else value for value in (one.one, one.other)]
        where = f" in {one.where}" if one.where else ""
        parts.append(f"{one.name.replace('batch_size', 'chunk size')} ({' and '.join(values)}{where})")
    return f"differing in {', '.join(parts)}" if parts else ""


def _span(steps: npt.NDArray[Any]) -> str:
    """Write the least and the greatest of some numbers, or a single number if they are equal."""
    if not steps.size:
        return ""
    least, most = int(steps.min()), int(steps.max())
    return f"{least}" if least == most else f"{least} to {most}"
