"""The metrics that a caller chose, with their options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from explain.algorithms.method import resolved_options
from explain.errors import EvaluationError
from explain.inputs.naming.brief import brief
from explain.metrics.catalogue import check_options, find
from explain.metrics.metric import Metric

DEFAULT_METRICS = ("deletion", "insertion", "sparseness")
"""What is measured if the caller names no metrics: what needs neither masks nor other explanations."""


@dataclass(frozen=True)
class Chosen:
    """A metric that the caller chose, with its options and the name of what it measures."""

    row: Metric
    options: Mapping[str, Any]
    name: str


def chosen_metrics(metrics: Any) -> list[Chosen]:
    """Give the metrics that the caller chose, with their options checked.

    Raises
    ------
    EvaluationError
        If a metric is unknown, or none is chosen.
    OptionError
        If an option is refused.

    Examples
    --------
    >>> [one.name for one in chosen_metrics(["deletion", ("deletion", {"reference": "blur"})])]
    ['deletion', "deletion (reference='blur')"]
    """
    if metrics is None:
        metrics = DEFAULT_METRICS
    listed = [metrics] if isinstance(metrics, str) or _is_pair(metrics) else metrics
    if isinstance(listed, Mapping):
        listed = list(listed.items())
    if not isinstance(listed, (list, tuple)) or not listed:
        raise EvaluationError(
            f"metrics={brief(metrics)} names no metric: give a name such as 'deletion', several in a list, or a "
            "dict of options by name."
        )
    found: list[Chosen] = []
    for entry in listed:
        name, given = entry if isinstance(entry, tuple) and len(entry) == 2 else (entry, {})
        row = find(name)
        if not isinstance(given, Mapping):
            example = {option.name: option.default for option in row.options[:1]}
            raise EvaluationError(
                f"metrics has {brief(entry)}: give the options of {row.name} as a dict, such as "
                f"({row.name!r}, {example}); further metrics are entries of their own."
            )
        check_options(row, given)
        one = Chosen(row, resolved_options(row.name, row.options, given), row.name)
        first = next((other for other in found if other.row.name == row.name), None)
        if first is not None:
            one = replace(one, name=_told_apart(one, first))
        if any(other.name == one.name for other in found):
            raise EvaluationError(
                f"metrics has {one.name!r} twice: leave one out, or give them other options."
            )
        found.append(one)
    return found


def _is_pair(metrics: Any) -> bool:
    return isinstance(metrics, tuple) and len(metrics) == 2 and isinstance(metrics[1], Mapping)


def _told_apart(one: Chosen, first: Chosen) -> str:
    """Name a metric by the options in which it differs from the first one with its name."""
    values = {name: brief(value) for name, value in one.options.items()}
    differing = [f"{name}={value}" for name, value in values.items() if value != brief(first.options[name])]
    return f"{one.row.name} ({', '.join(differing)})" if differing else one.name
