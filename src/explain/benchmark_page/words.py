"""What the numbers say, in sentences made from them, and what they do not say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from explain.benchmark_page.computation import RANDOM_MAP
from explain.benchmark_page.questions import Question
from explain.metrics.checks import SAME_FOR_RANDOM
from explain.metrics.results.benchmark import Benchmark
from explain.results.names import method_name
from explain.results.similarity import spearman

# From these mean similarities on, with the whole interval, two maps are much the same. For a shuffled network the bound
# is that of `explain.attribute` with checks.
_MUCH_THE_SAME = {"model_parameter_randomization": SAME_FOR_RANDOM, "random_logit": 0.5}

# Two questions order the methods alike, or the other way round, from this rank correlation on.
_ALIKE, _OPPOSED = 0.5, -0.2


@dataclass(frozen=True)
class Agreement:
    """How far two questions order the methods alike.

    Attributes
    ----------
    first, second : str
        The titles of the questions.
    correlation : float
        Spearman's rank correlation of the methods' means, signed so that 1 is the same order from good to bad.
    count : int
        The number of methods with both values.
    """

    first: str
    second: str
    correlation: float
    count: int


def findings(questions: Sequence[Question], benchmarks: Mapping[str, Benchmark]) -> list[tuple[str, str]]:
    """Say for each question what was found: its title, and a sentence or two.

    Parameters
    ----------
    questions : sequence of Question
        The questions.
    benchmarks : Mapping of str to Benchmark
        The answers, by model.
    """
    return [(one.title, _finding(one, benchmarks[one.model])) for one in questions]


def _finding(question: Question, benchmark: Benchmark) -> str:
    name, metric = question.title, question.metric
    measured = [
        one for one in benchmark if one != RANDOM_MAP and benchmark.measurement(name, one) is not None
    ]
    if not measured:
        return "No method has a value."
    bound = _MUCH_THE_SAME.get(metric)
    if bound is not None:
        same = [one for one in measured if _is_above(benchmark, name, one, bound)]
        what = "a shuffled network" if metric == "model_parameter_randomization" else "another class"
        if not same:
            return f"No method draws mostly the same map for {what} (mean similarity above {bound})."
        return (
            f"{_names(same)} {'draws' if len(same) == 1 else 'draw'} much the same map for {what} (mean similarity "
            f"above {bound} with the whole interval): such a map says little about this model."
        )
    best = [one for one in benchmark.best(name) if one != RANDOM_MAP]
    first = f"Best, and not told apart on these examples: {_names(best)}."
    if RANDOM_MAP not in benchmark or benchmark.measurement(name, RANDOM_MAP) is None:
        return first
    no_better = [one for one in measured if not _is_better(benchmark, name, one, RANDOM_MAP)]
    if not no_better:
        return f"{first} Every method does better than a random map."
    return f"{first} Not better than a random map: {_names(no_better)}."


def _is_above(benchmark: Benchmark, name: str, method: str, bound: float) -> bool:
    one = benchmark.measurement(name, method)
    return one is not None and one.interval(benchmark.seed)[0] > bound


def _is_better(benchmark: Benchmark, name: str, method: str, other: str) -> bool:
    order = benchmark.order(name)
    ranked = method in order and other in order and order.index(method) < order.index(other)
    return ranked and benchmark.differ(name, method, other)


def _names(methods: Sequence[str]) -> str:
    return _in_words([method_name(one) for one in methods])


def _in_words(parts: Sequence[str]) -> str:
    """Join parts of a sentence.

    Examples
    --------
    >>> _in_words(["LIME"]), _in_words(["LIME", "RISE", "SHAP"])
    ('LIME', 'LIME, RISE and SHAP')
    """
    *before, last = parts
    return f"{', '.join(before)} and {last}" if before else last


def agreements(questions: Sequence[Question], benchmarks: Mapping[str, Benchmark]) -> list[Agreement]:
    """Give how far each two questions order the methods alike, the most opposed first.

    Values for which higher is not better are turned round, so that 1 is always the same order from good to bad.
    """
    found = []
    for one, other in combinations(questions, 2):
        pairs = [
            (first, second)
            for method in benchmarks[one.model]
            if method != RANDOM_MAP and method in benchmarks[other.model]
            for first, second in [(_good(one, benchmarks, method), _good(other, benchmarks, method))]
            if not (math.isnan(first) or math.isnan(second))
        ]
        if len(pairs) < 5:
            continue
        values = np.array(pairs)
        correlation = spearman(values[:, 0], values[:, 1])
        if not math.isnan(correlation):
            found.append(Agreement(one.title, other.title, correlation, len(pairs)))
    return sorted(found, key=lambda pair: (pair.correlation, pair.first, pair.second))


def _good(question: Question, benchmarks: Mapping[str, Benchmark], method: str) -> float:
    measurement = benchmarks[question.model].measurement(question.title, method)
    if measurement is None or not measurement.count:
        return math.nan
    mean = measurement.mean
    return {"higher": mean, "lower": -mean, "nearer to zero": -abs(mean)}.get(measurement.better, math.nan)


def disagreement_words(pairs: Sequence[Agreement]) -> str:
    """Say where questions disagree about the methods, in a sentence or two."""
    opposed = [pair for pair in pairs if pair.correlation < _OPPOSED]
    alike = [pair for pair in reversed(pairs) if pair.correlation > _ALIKE]
    parts = []
    if opposed:
        shown = _in_words([_pair(pair) for pair in opposed[:5]])
        parts.append(f"What is good by one is bad by the other: {shown}.")
    else:
        parts.append(
            f"No two questions order the methods the other way round (rank correlation below {_OPPOSED})."
        )
    if alike:
        parts.append(f"They agree most here: {_in_words([_pair(pair) for pair in alike[:3]])}.")
    return " ".join(parts)


def _pair(pair: Agreement) -> str:
    return f"{pair.first} and {pair.second} ({pair.correlation:+.2f} over {pair.count} methods)".replace(
        "-", "−"
    )


MAY = (
    "A method that finds neither the object nor the shortcut here, where both are known and simple, has not earned "
    "trust where they are unknown.",
    "A map that stays the same for a shuffled network or another class cannot be the reason of this network's decision "
    "for this class, however good it looks.",
    "Where two intervals of the paired difference part, the two methods differ on examples like these.",
)
"""What a careful reader may conclude."""

MAY_NOT = (
    "That the best method here is the best for another network, data set or size: these are two small convolutional "
    "networks on drawn shapes of 32 by 32 pixels.",
    "That a method is faithful because it finds the object: a network may rightly use the ground around it. Here it "
    "was trained so that only the object tells the class, and still it may use a part of it.",
    "That deletion and insertion measure the network's reasons alone: blurred pictures are none that it was trained "
    "on, and its answers to them are part of the figure.",
    "That methods without a mark are worse than those with one by any stated amount: with this many examples most "
    "differences are within the intervals.",
    "That a figure of stability is a virtue by itself: a map that never changes is perfectly stable.",
)
"""What a careful reader may not conclude."""
