"""How similar two attributions are: of two models, two frameworks or two methods, on the same inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from explain.errors import ComparisonError
from explain.inputs.display import shortened
from explain.public_calls.callers_line import at_callers_line
from explain.results.attribution import Attribution
from explain.results.canonical_axes import canonical, without_padding
from explain.results.differences import check_same_question, permitted_differences
from explain.results.heatmap import Floats, heatmaps
from explain.results.names import framework_name, listed, method_name
from explain.results.shown import Shown
from explain.results.similarity import pearson, relative_l2, spearman, ssim, top_overlap
from explain.results.view import view

FIGURES = ("relative_l2", "pearson", "spearman", "top_overlap", "ssim")

TITLES = {
    "relative_l2": "relative L2",
    "pearson": "Pearson",
    "spearman": "Spearman",
    "top_overlap": "top 10 %",
    "ssim": "SSIM",
}


@dataclass(frozen=True, eq=False)
class Comparison(Shown):
    """How similar two attributions are, for each example.

    All arrays have shape (N,) and are float64; NaN means that the figure is not defined for that example.

    Attributes
    ----------
    relative_l2 : numpy.ndarray
        ``‖a − b‖ / max(‖a‖, ‖b‖)``, in [0, 2]: 0 for equal maps (two zero maps too), 1 against a zero map, 2
        for opposite ones. Symmetric in the two maps.
    pearson : numpy.ndarray
        Linear correlation, in [−1, 1]; undefined where a map is constant (also: zero).
    spearman : numpy.ndarray
        Correlation of the ranks, equal values sharing the mean rank, in [−1, 1]; undefined where a map is
        constant.
    top_overlap : numpy.ndarray
        The share of the k largest absolute values of one map that are also among the k largest of the other, where
        k is a tenth of the values, rounded up; in [0, 1], about 0.1 by chance. Values tied for the last places
        share them equally: each counts as a fraction of a member, and an element that is in both counts as the
        smaller of its two fractions. Undefined where a map is zero, since no value in it is large.
    ssim : numpy.ndarray
        Structural similarity of the two-dimensional heatmaps (channels summed; window 7, uniform), in
        [−1, 1], with one data range for both maps, from the least to the greatest value in either.
        Undefined for results that are not images (tables, named steps, volumes), for maps under 7 wide or high, for
        padded sequences, and where that range is zero (both maps zero).
    labels : tuple of str
        Names of the two attributions, from the properties in which they differ.
    differences : tuple of str
        Permitted differences between the two besides their values: framework, model, method, options, the steps and
        the rule of their integrals, the chunk size…
    attributions : (Attribution, Attribution), optional
        The two that were compared, for the picture in a notebook; not written to JSON.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0, 3.0]], np.float32)
    >>> a = Attribution(values=x, inputs=x, layout="NC", method="saliency", scores=np.ones(1))
    >>> b = Attribution(values=-x, inputs=x, layout="NC", method="saliency", scores=np.ones(1))
    >>> result = compare(a, b)
    >>> result.relative_l2.tolist(), result.pearson.tolist(), result.worst
    ([2.0], [-1.0], 0)
    """

    relative_l2: Floats
    pearson: Floats
    spearman: Floats
    top_overlap: Floats
    ssim: Floats
    labels: tuple[str, str] = ("a", "b")
    differences: tuple[str, ...] = ()
    attributions: tuple[Attribution, Attribution] | None = None

    def __repr__(self) -> str:
        """Name the two and give the means, without the figures of each example; `str` writes them as a table."""
        means = ", ".join(f"{name}={figure_text(name, value)}" for name, value in self.mean.items())
        labels = shortened(self.labels)
        return (
            f"Comparison(labels={labels}, examples={len(self)}, mean: {means}, worst: example {self.worst})"
        )

    def __len__(self) -> int:
        """Give the number of examples."""
        return len(self.relative_l2)

    @property
    def mean(self) -> Mapping[str, float]:
        """The mean of each figure over the examples for which it is defined; NaN if there are none."""
        means = {}
        for name in FIGURES:
            column = getattr(self, name)
            defined = column[~np.isnan(column)]
            means[name] = float(defined.mean()) if defined.size else math.nan
        return means

    @property
    def worst(self) -> int:
        """The index of the least similar example: the first one with the greatest relative L2."""
        return int(np.argmax(self.relative_l2))

    def __str__(self) -> str:
        """Write the figures as a table, one line per example, with a dash for an undefined figure."""
        lines = [f"{self.labels[0]} | {self.labels[1]}"]
        rows = [("example", *TITLES.values())]
        rows += [(str(index), *self.texts(index).values()) for index in range(len(self))]
        rows.append(("mean", *(figure_text(name, value) for name, value in self.mean.items())))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        written = [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
        ]
        rule = "─" * len(written[0])
        lines += [written[0], rule, *written[1:-1], rule, written[-1], f"least similar: example {self.worst}"]
        if self.differences:
            lines += ["differing, as they may:", *(f"  {difference}" for difference in self.differences)]
        return "\n".join(lines)

    def texts(self, example: int) -> dict[str, str]:
        """Write the figures of one example, by their names.

        Examples
        --------
        >>> one = np.ones(1)
        >>> Comparison(1e-7 * one, one, one, one, np.nan * one).texts(0)["relative_l2"]
        '1.0e-07'
        """
        return {name: figure_text(name, float(getattr(self, name)[example])) for name in FIGURES}

    def to_json(self) -> dict[str, Any]:
        """Give everything as plain data for JSON; an undefined figure is None."""

        def plain(value: float) -> float | None:
            return None if math.isnan(value) else float(value)

        return {
            "labels": list(self.labels),
            "differences": list(self.differences),
            "examples": {name: [plain(value) for value in getattr(self, name)] for name in FIGURES},
            "mean": {name: plain(value) for name, value in self.mean.items()},
            "worst": self.worst,
        }


@at_callers_line
def compare(a: Attribution, b: Attribution) -> Comparison:
    """Measure how similar two attributions of the same inputs, targets and kind of score are.

    The two may have different layouts: channels first and last, time first and batch first. Padding is ignored.
    Frameworks, models, methods, their options and baselines may differ; the result lists these differences.

    Parameters
    ----------
    a, b : Attribution
        Of the same number of examples, inputs, targets, kind of score and padding.

    Returns
    -------
    Comparison
        The figures of each example, and the differences.

    Raises
    ------
    ComparisonError
        If the two explain different things, which it lists, or a value is NaN or infinite.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    >>> a = Attribution(x, x, "NCHW", "saliency", np.ones(1))
    >>> channels_last = x.transpose(0, 2, 3, 1)
    >>> b = Attribution(channels_last, channels_last, "NHWC", "saliency", np.ones(1))
    >>> compare(a, b).relative_l2
    array([0.])
    """
    for name, given in (("a", a), ("b", b)):
        if not isinstance(given, Attribution):
            raise ComparisonError(
                f"{name} is a {type(given).__name__}: give two Attributions, as "
                "explain.attribute returns them."
            )
    if not len(a) or not len(b):
        raise ComparisonError("a or b has no examples: there is nothing to compare.")
    values = (canonical(a, a.values), canonical(b, b.values))
    check_same_question(a, b)
    for name, one in zip("ab", values, strict=True):
        bad = ~np.isfinite(one).reshape(len(one), -1).all(axis=1)
        if bad.any():
            raise ComparisonError(
                f"{name}.values is NaN or infinite in examples {listed(list(np.flatnonzero(bad)))}: these "
                "examples cannot be compared. Leave them out, or find the cause of these values."
            )
    figures: dict[str, list[float]] = {name: [] for name in FIGURES}
    for one, other in zip(*(without_padding(a, each) for each in values), strict=True):
        figures["relative_l2"].append(relative_l2(one, other))
        figures["pearson"].append(pearson(one, other))
        figures["spearman"].append(spearman(one, other))
        figures["top_overlap"].append(top_overlap(one, other))
    figures["ssim"] = _ssim_of_maps(a, b)
    arrays = {name: np.array(column, np.float64) for name, column in figures.items()}
    return Comparison(
        **arrays,
        labels=_labels(a, b),
        differences=tuple(permitted_differences(a, b)),
        attributions=(a, b),
    )


def figure_text(name: str, value: float) -> str:
    """Write one similarity figure as text; a dash if it is not defined.

    Examples
    --------
    >>> figure_text("relative_l2", 1.26e-7), figure_text("pearson", 0.98765), figure_text("ssim", math.nan)
    ('1.3e-07', '0.9877', '–')
    """
    if math.isnan(value):
        return "–"
    if name == "relative_l2":
        return "0" if value == 0 else f"{value:.1e}" if value < 0.01 else f"{value:.3f}"
    return f"{value:.4f}".replace("-", "−")


def _ssim_of_maps(a: Attribution, b: Attribution) -> list[float]:
    """Give the structural similarity of each example's heatmaps if they are images, else NaN."""
    padded = a.mask is not None and not np.all(a.mask)
    if padded or not {view(a), view(b)} <= {"image", "rows"}:
        return [math.nan] * len(a)
    pairs = zip(*(heatmaps(one.values, one.layout, per_feature=True) for one in (a, b)), strict=True)
    return [ssim(one, other) for one, other in pairs]


def _labels(a: Attribution, b: Attribution) -> tuple[str, str]:
    """Name the two attributions by the properties in which they differ."""
    words = []
    if a.framework != b.framework:
        words.append((framework_name(a.framework), framework_name(b.framework)))
    if a.model != b.model and not words:
        words.append((a.model, b.model))
    if a.method != b.method:
        words.append((method_name(a.method), method_name(b.method)))
    if a.engine != b.engine and not words:
        words.append((a.engine, b.engine))
    if not words:
        return "a", "b"
    return ", ".join(pair[0] for pair in words), ", ".join(pair[1] for pair in words)
