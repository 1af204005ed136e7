"""Kinds of options, and the options that several methods have."""

from __future__ import annotations

from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

from explain.algorithms.method import Option
from explain.inputs.features import FEATURE_RULES, is_feature_mask, recorded_feature_mask


def is_number(value: Any) -> bool:
    """Tell whether a value is a real number that is not NaN."""
    return not isinstance(value, bool) and isinstance(value, Real) and value == value


def whole_number(name: str, default: int, least: int, summary: str) -> Option:
    """Give an option that is a whole number of at least `least`."""
    return Option(
        name,
        default,
        f"a whole number of at least {least}",
        lambda value: is_count(value, least),
        summary,
    )


def is_count(value: Any, least: int = 1) -> bool:
    """Tell whether a value is a whole number of at least `least`."""
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= least


def is_counts(value: Any) -> bool:
    """Tell whether a value is several whole numbers of at least 1."""
    listed = value.tolist() if hasattr(value, "tolist") else value
    return isinstance(listed, (list, tuple)) and bool(listed) and all(is_count(one) for one in listed)


def is_count_or_counts(value: Any) -> bool:
    """Tell whether a value is one whole number of at least 1, or several."""
    return is_count(value) or is_counts(value)


def plain_counts(value: Any) -> Any:
    """Give one or several whole numbers as plain integers."""
    listed = value.tolist() if hasattr(value, "tolist") else value
    return tuple(int(one) for one in listed) if isinstance(listed, (list, tuple)) else listed


def non_negative(name: str, default: float, summary: str) -> Option:
    """Give an option that is a finite number of at least 0."""
    return Option(
        name,
        default,
        "a number of at least 0",
        lambda value: is_number(value) and 0 <= value < float("inf"),
        summary,
    )


def is_positive(value: Any) -> bool:
    """Tell whether a value is a finite number above 0."""
    return is_number(value) and 0 < value < float("inf")


def positive(name: str, default: float, summary: str) -> Option:
    """Give an option that is a finite number above 0."""
    return Option(name, default, "a number above 0", is_positive, summary)


def from_0_to_1(name: str, default: float, summary: str) -> Option:
    """Give an option that is a share, from 0 to 1."""
    return Option(
        name,
        default,
        "a number from 0 to 1",
        lambda value: is_number(value) and 0 <= value <= 1,
        summary,
    )


def one_of(name: str, default: str, words: Collection[str], summary: str) -> Option:
    """Give an option that is one of some words."""
    return Option(
        name,
        default,
        f"one of {', '.join(map(repr, words))}",
        lambda value: isinstance(value, str) and value in words,
        summary,
    )


def whole_number_or_none(name: str, summary: str, least: int = 0) -> Option:
    """Give an option that is a whole number of at least `least`, or None."""
    return Option(
        name,
        None,
        f"None or a whole number of at least {least}",
        lambda value: value is None or is_count(value, least),
        summary,
    )


FEATURE_MASK = Option(
    "feature_mask",
    None,
    f"None, one of {', '.join(map(repr, FEATURE_RULES))}, or an array of whole numbers from 0 on, one per position",
    is_feature_mask,
    "Which positions are one feature. None: superpixels of a picture, steps of a sequence, columns of a table, a "
    "grid in a volume.",
    recorded=recorded_feature_mask,
    per_input=lambda value: False,
)
"""The option for the positions that form one feature; see `explain.inputs.features.resolve_features`."""
