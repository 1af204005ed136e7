"""Words that the tables, the figures and the pages of evaluations and benchmarks share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from explain.algorithms.catalogue import find_method
from explain.errors import MethodError
from explain.metrics.results.benchmark import Benchmark
from explain.metrics.results.evaluation import Evaluation
from explain.metrics.results.measurement import Better, Measurement
from explain.results.names import framework_name, listed, method_name, number, printable

DIRECTIONS: Mapping[Better, str] = {
    "higher": "higher is better",
    "lower": "lower is better",
    "nearer to zero": "nearer to zero is better",
    "": "neither end is better",
}

_BEST = (
    "The best mean, and those that do not differ from it: the 95 % interval of the mean difference, example by "
    "example, has zero in it."
)
ONE_EXAMPLE = "an interval needs two examples with a value"
ONE_TELLS_NOTHING = "One example cannot tell methods apart: no mean has an interval."
NOT_KNOWN = "it was not measured"


class Footnotes:
    """Notes below a table, each written once.

    Examples
    --------
    >>> notes = Footnotes()
    >>> notes.mark("why"), notes.mark("another"), notes.mark("why"), notes.mark("")
    ('1', '2', '1', '')
    """

    def __init__(self) -> None:
        """Begin without notes."""
        self.texts: list[str] = []

    def mark(self, text: str) -> str:
        """Give the mark of a note; none for an empty one."""
        if not text:
            return ""
        if text not in self.texts:
            self.texts.append(text)
        return str(self.texts.index(text) + 1)


def subject(evaluation: Evaluation) -> str:
    """Say what was evaluated.

    Examples
    --------
    >>> subject(Evaluation({}, method="saliency", model="Net", framework="torch"))
    'Saliency of Net (PyTorch)'
    """
    method = method_name(evaluation.method) if evaluation.method else "An attribution"
    if not evaluation.model:
        return method
    framework = f" ({framework_name(evaluation.framework)})" if evaluation.framework else ""
    return f"{method} of {evaluation.model}{framework}"


def method_labels(benchmark: Benchmark) -> dict[str, str]:
    """Give the display name of each method of a benchmark; a name of the caller's own stays as it is.

    Examples
    --------
    >>> method_labels(Benchmark({"grad_cam": Evaluation({}), "ours (a=1)": Evaluation({})}))
    {'grad_cam': 'Grad-CAM', 'ours (a=1)': 'ours (a=1)'}
    """
    titles = {method: _title(method) for method in benchmark}
    shown = list(titles.values())
    return {
        method: printable(title if shown.count(title) == 1 else method) for method, title in titles.items()
    }


def best_text(benchmark: Benchmark) -> str:
    """Explain the mark of the best methods.

    Examples
    --------
    >>> best_text(Benchmark({}))[:13]
    'The best mean'
    """
    return f"{_BEST} {ONE_TELLS_NOTHING}" if count_of(benchmark) == 1 else _BEST


def examples_text(count: int) -> str:
    """Write a number of examples.

    Examples
    --------
    >>> examples_text(1), examples_text(1200)
    ('1 example', '1,200 examples')
    """
    return f"{count:,} example{'' if count == 1 else 's'}"


def count_of(benchmark: Benchmark) -> int:
    """Give the number of examples of a benchmark.

    Examples
    --------
    >>> count_of(Benchmark({}))
    0
    """
    return max((len(one) for one in benchmark.evaluations.values()), default=0)


def common(benchmark: Benchmark) -> Evaluation:
    """Give an evaluation with what holds for all methods: the model, the score, the targets, the versions.

    Examples
    --------
    >>> common(Benchmark({"saliency": Evaluation({}, model="Net")})).model
    'Net'
    """
    return next((one for one in benchmark.evaluations.values() if one.model), Evaluation({}))


def interval_text(low: float, high: float) -> str:
    """Write an interval; a dash if there is none.

    Examples
    --------
    >>> interval_text(0.25, 0.5), interval_text(float("nan"), float("nan"))
    ('[0.25, 0.5]', '–')
    """
    return "–" if math.isnan(low) else f"[{number(low)}, {number(high)}]"


def left_out_text(one: Measurement) -> str:
    """Say which examples have no value, and why.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.array([0.5, np.nan, np.nan])
    >>> left_out_text(Measurement("deletion", values, "lower", left_out={1: "The map is constant.", 2: "No score."}))
    'example 1: The map is constant. Example 2: No score.'
    """
    by_reason: dict[str, list[int]] = {}
    for example, reason in one.left_out.items():
        by_reason.setdefault(reason, []).append(example)
    sentences = [
        f"{'example' if len(examples) == 1 else 'examples'} {listed(examples)}: {_sentence(reason)}"
        for reason, examples in by_reason.items()
    ]
    return " ".join([*sentences[:1], *(words[0].upper() + words[1:] for words in sentences[1:])])


def few_left_out(one: Measurement) -> str:
    """Say how many examples have no value, and the first reason; empty if all have one.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.array([0.5, np.nan])
    >>> few_left_out(Measurement("deletion", values, "lower", left_out={1: "The map is constant."}))
    '1 of 2 examples left out: The map is constant.'
    """
    if not one.left_out:
        return ""
    reasons = list(dict.fromkeys(map(_sentence, one.left_out.values())))
    others = (
        "" if len(reasons) == 1 else f" And {len(reasons) - 1} other reason{'s' if len(reasons) > 2 else ''}."
    )
    return f"{len(one.left_out)} of {examples_text(len(one.values))} left out: {reasons[0]}{others}"


def why_none(benchmark: Benchmark, metric: str, method: str) -> str:
    """Say why a metric has no value for a method.

    Examples
    --------
    >>> why_none(Benchmark({}, {"rise": {"": "It explains no tables"}}), "deletion", "rise")
    'It explains no tables.'
    """
    return _sentence(benchmark.reason(metric, method) or NOT_KNOWN)


def stated_options(benchmark: Benchmark) -> dict[str, Measurement]:
    """Give a measurement of each metric, whose options hold for all methods.

    Examples
    --------
    >>> stated_options(Benchmark({"rise": Evaluation({})}))
    {}
    """
    found: dict[str, Measurement] = {}
    for one in benchmark.evaluations.values():
        found = {**one.measurements, **found}
    return {metric: found[metric] for metric in benchmark.metrics}


def option_text(value: Any) -> str:
    """Write the value of an option.

    Examples
    --------
    >>> option_text(0.25), option_text([1, 2]), option_text("mean"), option_text(None)
    ('0.25', '1, 2', 'mean', 'none')
    """
    if value is None:
        return "none"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(option_text, value))
    return str(value)


def options_text(one: Measurement) -> str:
    """Write the options of a metric; a dash if it has none.

    Examples
    --------
    >>> import numpy as np
    >>> options_text(Measurement("deletion", np.ones(1), "lower", options={"steps": 16, "fill": "mean"}))
    'steps=16, fill=mean'
    """
    return ", ".join(f"{name}={option_text(value)}" for name, value in one.options.items()) or "–"


def _title(method: str) -> str:
    try:
        return method_name(find_method(method).name)
    except MethodError:
        return method


def _sentence(words: str) -> str:
    words = words.strip()
    return words if words.endswith((".", "!", "?", "…")) else f"{words}."
