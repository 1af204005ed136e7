"""What metrics measured on one attribution."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explain.errors import EvaluationError
from explain.inputs.naming.suggestions import suggestion
from explain.metrics.results.measurement import Aggregate, Measurement
from explain.public_calls.callers_line import at_callers_line
from explain.results.attribution import Attribution
from explain.results.exports import imported
from explain.results.shown import Shown

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Evaluation(Shown):
    """What metrics measured on one attribution: a value for each example and metric, and means with intervals.

    ``evaluation.deletion`` is the mean of the metric ``"deletion"``, a number that prints with its 95 % interval;
    ``evaluation["deletion"]`` is the whole `Measurement`, with the value of each example. ``len`` is the number of
    examples; iterating gives the names.

    Attributes
    ----------
    measurements : Mapping of str to Measurement
        What each metric measured. The name is that of the metric; where one metric was asked for several times, it
        also has the options that differ.
    method, framework, model, score, layout : str
        Of the attribution: its method, the framework and the class of its model, the explained score, its axes.
    target : tuple
        The target of each example.
    seed : int
        The seed of all random numbers of the metrics.
    versions : Mapping
        Versions of `explain`, of the framework and of NumPy.
    notes : tuple of str
        The warnings of the call.
    attribution : Attribution, optional
        The attribution itself, for pictures; it is not written to the file.

    Examples
    --------
    >>> import numpy as np
    >>> from explain.metrics.results.measurement import Measurement
    >>> values = np.array([0.2, 0.4])
    >>> e = Evaluation({"deletion": Measurement("deletion", values, "lower")}, method="saliency", seed=0)
    >>> e.deletion < 0.5, e["deletion"].worst, list(e), len(e)
    (True, 1, ['deletion'], 2)
    """

    measurements: Mapping[str, Measurement]
    method: str = ""
    framework: str = ""
    model: str = ""
    score: str = ""
    layout: str = ""
    target: tuple[int | tuple[int, ...] | str | None, ...] = ()
    seed: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    attribution: Attribution | None = None

    def __len__(self) -> int:
        """Give the number of examples."""
        return len(next(iter(self.measurements.values())).values) if self.measurements else 0

    def __iter__(self) -> Iterator[str]:
        """Give the names of what was measured."""
        return iter(self.measurements)

    @at_callers_line
    def __getitem__(self, name: str) -> Measurement:
        """Give all that one metric measured.

        Raises
        ------
        EvaluationError
            If it was not measured.
        """
        if name not in self.measurements:
            raise EvaluationError(self._not_measured(name))
        return self.measurements[name]

    def __getattr__(self, name: str) -> Aggregate:
        """Give the mean of a metric."""
        # While a copy is made there are no fields yet.
        found = self.__dict__.get("measurements", {})
        if name.startswith("_") or name not in found:
            raise AttributeError(self._not_measured(name) if found else name)
        return Aggregate(found[name], self.seed, self.attribution)

    def _not_measured(self, name: object) -> str:
        return (
            f"{name!r} was not measured; this evaluation has {', '.join(map(repr, self.measurements))}."
            f"{suggestion(name, self.measurements)} Give metrics=[{name!r}] to explain.evaluate, whose metrics "
            "explain.metrics.names() lists."
        )

    @property
    def means(self) -> Mapping[str, Aggregate]:
        """The mean of each metric, by its name."""
        return {name: Aggregate(one, self.seed, self.attribution) for name, one in self.measurements.items()}

    def __repr__(self) -> str:
        """Name the method, the model and the means; `str` writes them as a table."""
        means = ", ".join(f"{name}={float(one):.4g}" for name, one in self.means.items())
        return f"Evaluation(method={self.method!r}, model={self.model!r}, n={len(self)}, {means})"

    def __str__(self) -> str:
        """Write the means as a table: one line for each metric, with its interval and what is better."""
        from explain.metrics.presentation.text import table_text

        return table_text(self)

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> tuple[dict[str, str], dict[str, Any]]:
        """Give the figure that a notebook shows, and the table for a terminal."""
        from explain.metrics.presentation.notebook import evaluation_bundle

        return evaluation_bundle(self, include, exclude)

    @at_callers_line
    def to_dataframe(self) -> pandas.DataFrame:
        """Give a tidy `pandas.DataFrame`: one row for each example and metric.

        Returns
        -------
        pandas.DataFrame
            Columns ``example``, ``metric``, ``value``, ``left_out`` (why an example has none, else empty).

        Raises
        ------
        PackageNotInstalledError
            If pandas is not installed.

        Examples
        --------
        >>> import numpy as np
        >>> from explain.metrics.results.measurement import Measurement
        >>> e = Evaluation({"sparseness": Measurement("sparseness", np.array([0.5, 0.25]), "higher")})
        >>> e.to_dataframe()
           example      metric  value left_out
        0        0  sparseness   0.50
        1        1  sparseness   0.25
        """
        with imported("to_dataframe", "pandas", "tables"):
            import pandas
        rows = [
            (example, name, value, one.left_out.get(example, ""))
            for name, one in self.measurements.items()
            for example, value in enumerate(one.values.tolist())
        ]
        return pandas.DataFrame(rows, columns=["example", "metric", "value", "left_out"])

    @at_callers_line
    def plot(self, **options: Any) -> Figure:
        """Draw the means with their intervals and the values of the examples, and the curves beside them.

        Parameters
        ----------
        **options
            As for `explain.metrics.presentation.evaluation_figure.plot_evaluation`.
        """
        from explain.metrics.presentation.evaluation_figure import plot_evaluation

        return plot_evaluation(self, **options)

    @at_callers_line
    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Give a page with the table, the figure and the settings; with `path` also write it to a file."""
        from explain.metrics.presentation.page import evaluation_page

        return evaluation_page(self, path)

    @at_callers_line
    def save(self, path: str | os.PathLike[str]) -> Path:
        """Save to an ``.npz`` file without pickle; `load` reads it, with neither framework installed.

        Returns
        -------
        pathlib.Path
            The file; the suffix is added if it is missing.

        Raises
        ------
        EvaluationError
            If the name has another suffix.
        """
        from explain.metrics.results.evaluation_file import write

        return write(vars(self), path)

    @classmethod
    @at_callers_line
    def load(cls, path: str | os.PathLike[str]) -> Evaluation:
        """Read an evaluation that `save` wrote.

        Raises
        ------
        EvaluationError
            If it is not one, or is damaged.
        """
        from explain.metrics.results.evaluation_file import read

        return read(path, cls)
