"""What metrics measured on several methods, beside each other."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from explain.errors import EvaluationError
from explain.inputs.naming.suggestions import suggestion
from explain.metrics.results.evaluation import Evaluation
from explain.metrics.results.measurement import Better, Measurement
from explain.public_calls.callers_line import at_callers_line
from explain.results.exports import imported
from explain.results.shown import Shown

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Benchmark(Shown):
    """What metrics measured on several methods, for the same model, inputs and targets.

    ``benchmark["saliency"]`` is the `Evaluation` of a method. ``len`` is the number of methods; iterating gives their
    names.

    Attributes
    ----------
    evaluations : Mapping of str to Evaluation
        What was measured, by method.
    reasons : Mapping of str to Mapping of str to str
        Why a metric has no value for a method, by method and metric; for a method that could not run at all, under
        the empty name.
    passes : Mapping of str to Mapping of str to float
        What a method costs for one example: ``"forward"`` and ``"backward"`` passes.
    seed : int
        The seed of all random numbers.

    Examples
    --------
    >>> import numpy as np
    >>> def of(values):
    ...     return Evaluation({"deletion": Measurement("deletion", np.array(values), "lower")})
    >>> b = Benchmark({"saliency": of([0.4, 0.5, 0.6]), "ig": of([0.1, 0.1, 0.2])})
    >>> b.metrics, b.order("deletion"), b.differ("deletion", "saliency", "ig")
    (('deletion',), ['ig', 'saliency'], True)
    """

    evaluations: Mapping[str, Evaluation]
    reasons: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    passes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    seed: int = 0

    def __len__(self) -> int:
        """Give the number of methods."""
        return len(self.evaluations)

    def __iter__(self) -> Iterator[str]:
        """Give the names of the methods."""
        return iter(self.evaluations)

    @at_callers_line
    def __getitem__(self, method: str) -> Evaluation:
        """Give what was measured on one method.

        Raises
        ------
        EvaluationError
            If it is not one of the methods.
        """
        if method not in self.evaluations:
            known = ", ".join(map(repr, self.evaluations))
            raise EvaluationError(
                f"{method!r} is not a method of this benchmark, which has {known}."
                f"{suggestion(method, self.evaluations)} Give it in methods= of explain.benchmark."
            )
        return self.evaluations[method]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of what was measured, in order."""
        names = dict.fromkeys(name for one in self.evaluations.values() for name in one)
        return tuple(names)

    def measurement(self, metric: str, method: str) -> Measurement | None:
        """Give what a metric measured on a method; None where it has no value."""
        return self.evaluations[method].measurements.get(metric) if method in self.evaluations else None

    def better(self, metric: str) -> Better:
        """Tell which values of a metric speak for a method; empty where neither do."""
        found = (self.measurement(metric, method) for method in self)
        return next((one.better for one in found if one is not None), "")

    def reason(self, metric: str, method: str) -> str:
        """Tell why a metric has no value for a method; empty if it has one, or if nothing is known."""
        of_method = self.reasons.get(method, {})
        one = self.measurement(metric, method)
        if one is None:
            return of_method.get(metric, of_method.get("", ""))
        return "" if one.count else next(iter(one.left_out.values()), "")

    def order(self, metric: str) -> list[str]:
        """Give the methods from the best mean of a metric to the worst; those without a value are left out.

        An order of means is no rank: see `differ`.
        """
        found = {
            name: one for name in self if (one := self.measurement(metric, name)) is not None and one.count
        }

        def key(name: str) -> float:
            one = found[name]
            mean = one.mean
            return {"higher": -mean, "nearer to zero": abs(mean)}.get(one.better, mean)

        return sorted(found, key=key)

    def differ(self, metric: str, first: str, second: str) -> bool:
        """Tell whether the 95 % interval of the mean difference of two methods, over the same examples, excludes zero.

        The difference is taken example by example, since all methods explain the same ones. Where nearer to zero is
        better, it is that of the distances of the two means from zero.
        """
        one, other = self.measurement(metric, first), self.measurement(metric, second)
        if one is None or other is None:
            return False
        if math.isinf(one.mean) or math.isinf(other.mean):
            return one.mean != other.mean
        sides = [1.0, 1.0]
        if one.better == "nearer to zero":
            sides = [math.copysign(1.0, each.mean) for each in (one, other)]
        difference = sides[0] * one.values - sides[1] * other.values
        low, high = Measurement(metric, difference, "").interval(self.seed)
        return not math.isnan(low) and (low > 0 or high < 0)

    def best(self, metric: str) -> list[str]:
        """Give the methods that no other is better than by more than the examples vary: the first, and its equals.

        None where neither greater nor smaller values are better, and none where no method has a value. A value of a
        single example is compared with none, where others have several.
        """
        order = self.order(metric) if self.better(metric) else []
        several = [name for name in order if cast("Measurement", self.measurement(metric, name)).count > 1]
        order = several or order
        return [name for name in order if name == order[0] or not self.differ(metric, order[0], name)]

    def __str__(self) -> str:
        """Write the means as a table: one line for each method, one column for each metric."""
        from explain.metrics.presentation.text import benchmark_text

        return benchmark_text(self)

    def __repr__(self) -> str:
        """Name the methods and the metrics."""
        return f"Benchmark(methods={list(self)}, metrics={list(self.metrics)})"

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> tuple[dict[str, str], dict[str, Any]]:
        """Give the figure that a notebook shows, and the table for a terminal."""
        from explain.metrics.presentation.notebook import benchmark_bundle

        return benchmark_bundle(self, include, exclude)

    @at_callers_line
    def to_dataframe(self) -> pandas.DataFrame:
        """Give a tidy `pandas.DataFrame`: one row for each method and metric.

        Returns
        -------
        pandas.DataFrame
            Columns ``method``, ``metric``, ``mean``, ``low``, ``high`` (the 95 % interval), ``count``, ``left_out``
            (the number of examples), ``better`` and ``reason`` (why there is no value, else empty).

        Raises
        ------
        PackageNotInstalledError
            If pandas is not installed.
        """
        with imported("to_dataframe", "pandas", "tables"):
            import pandas
        rows = []
        for method in self:
            for metric in self.metrics:
                one = self.measurement(metric, method)
                reason = self.reason(metric, method)
                if one is None:
                    rows.append((method, metric, math.nan, math.nan, math.nan, 0, 0, "", reason))
                    continue
                numbers = (one.mean, *one.interval(self.seed), one.count, len(one.left_out))
                rows.append((method, metric, *numbers, one.better, reason))
        names = ["method", "metric", "mean", "low", "high", "count", "left_out", "better", "reason"]
        return pandas.DataFrame(rows, columns=names)

    @at_callers_line
    def plot(self, **options: Any) -> Figure:
        """Draw the methods beside each other: one panel for each metric, means with intervals, the best first.

        Parameters
        ----------
        **options
            As for `explain.metrics.presentation.benchmark_figure.plot_benchmark`.
        """
        from explain.metrics.presentation.benchmark_figure import plot_benchmark

        return plot_benchmark(self, **options)

    @at_callers_line
    def plot_curves(self, metric: str) -> Figure:
        """Draw the curves of a metric that is made of them, such as deletion: one panel for each method.

        Parameters
        ----------
        metric : str
            As for `explain.metrics.presentation.curves_figure.plot_curves`.
        """
        from explain.metrics.presentation.curves_figure import plot_curves

        return plot_curves(self, metric)

    @at_callers_line
    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Give a page with the table, the figures and the settings; with `path` also write it to a file."""
        from explain.metrics.presentation.page import benchmark_page

        return benchmark_page(self, path)

    @at_callers_line
    def save(self, path: str | os.PathLike[str]) -> Path:
        """Save to an ``.npz`` file without pickle; `load` reads it, with neither framework installed."""
        from explain.metrics.results.benchmark_file import write

        return write(vars(self), path)

    @classmethod
    @at_callers_line
    def load(cls, path: str | os.PathLike[str]) -> Benchmark:
        """Read a benchmark that `save` wrote.

        Raises
        ------
        EvaluationError
            If it is not one, or is damaged.
        """
        from explain.metrics.results.benchmark_file import read

        return read(path, cls)
