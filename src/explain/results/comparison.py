"""How alike two attributions are: of two models, two frameworks or two methods, on the same inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.errors import ComparisonError
from explain.inputs.layout import Layout
from explain.render.integration import CHOICE_OPTIONS, integration_differences
from explain.results.attribution import Attribution
from explain.results.heatmap import heatmaps
from explain.results.names import class_name, framework_name, listed, method_name, number
from explain.results.similarity import pearson, relative_l2, spearman, ssim, top_overlap
from explain.results.view import drawn_as, view

Floats = npt.NDArray[np.float64]

FIGURES = ("relative_l2", "pearson", "spearman", "top_overlap", "ssim")

# Inputs are equal when they differ by no more than float32 rounding in a preprocessing.
INPUT_TOLERANCE = 1e-5

TITLES = {
    "relative_l2": "relative L2",
    "pearson": "Pearson",
    "spearman": "Spearman",
    "top_overlap": "top 10 %",
    "ssim": "SSIM",
}


@dataclass(frozen=True, eq=False)
class Comparison:
    """How alike two attributions are, example by example.

    All arrays have shape (N,), of float64; NaN means that the figure is not defined for that example.

    Attributes
    ----------
    relative_l2 : numpy.ndarray
        ``‖a − b‖ / max(‖a‖, ‖b‖)``, in [0, 2]: 0 for equal maps (two zero maps too), 1 against a zero map, 2
        for opposite ones. The same from either side.
    pearson : numpy.ndarray
        Linear correlation, in [−1, 1]; undefined where a map is constant (also: zero).
    spearman : numpy.ndarray
        Correlation of the ranks, equal values sharing the mean rank, in [−1, 1]; undefined where a map is
        constant.
    top_overlap : numpy.ndarray
        The part of the k values of largest size in the one map that are also among those of the other, where
        k is a tenth of them, rounded up; in [0, 1], about 0.1 by chance. Values tied for the last places
        share them equally: each counts as a fraction of a member, and an element in common counts as the
        smaller of its two fractions. Undefined where a map is zero: nothing in it is large.
    ssim : numpy.ndarray
        Structural similarity of the two-dimensional heatmaps (channels summed; window 7, uniform), in
        [−1, 1], both maps measured by one data range, from the least to the greatest value in either.
        Undefined for what is no image (tables, named steps, volumes), for maps under 7 wide or high, for
        padded sequences, and where that range is zero (both maps zero).
    labels : tuple of str
        What to call the two, from what tells them apart.
    differences : tuple of str
        What differs between the two besides their values, and may: framework, model, method, options, the
        steps and the rule of their integrals, the chunk size…

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

    def __len__(self) -> int:
        """Give the number of examples."""
        return len(self.relative_l2)

    @property
    def mean(self) -> Mapping[str, float]:
        """The mean of each figure over the examples for which it is defined; NaN where it never is."""
        means = {}
        for name in FIGURES:
            column = getattr(self, name)
            defined = column[~np.isnan(column)]
            means[name] = float(defined.mean()) if defined.size else math.nan
        return means

    @property
    def worst(self) -> int:
        """The index of the least similar example: the greatest relative L2, the first of equals."""
        return int(np.argmax(self.relative_l2))

    def __str__(self) -> str:
        """Write the figures as a table, one line an example, an undefined figure as a dash."""
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
        """Give the figures of one example as they are written, by their names.

        Examples
        --------
        >>> one = np.ones(1)
        >>> Comparison(1e-7 * one, one, one, one, np.nan * one).texts(0)["relative_l2"]
        '1.0e-07'
        """
        return {name: figure_text(name, float(getattr(self, name)[example])) for name in FIGURES}

    def to_json(self) -> dict[str, Any]:
        """Give everything as plain data that JSON can hold; an undefined figure is None."""

        def plain(value: float) -> float | None:
            return None if math.isnan(value) else float(value)

        return {
            "labels": list(self.labels),
            "differences": list(self.differences),
            "examples": {name: [plain(value) for value in getattr(self, name)] for name in FIGURES},
            "mean": {name: plain(value) for name, value in self.mean.items()},
            "worst": self.worst,
        }


def compare(a: Attribution, b: Attribution) -> Comparison:
    """Measure how alike two attributions of the same inputs, targets and kind of score are.

    Layouts are matched here: channels-first and channels-last, or time-first and batch-first, compare as
    they are. Padding is left out. Frameworks, models, methods, their options and baselines may differ; the
    result lists them.

    Parameters
    ----------
    a, b : Attribution
        Of the same number of examples, inputs, targets, kind of score and padding.

    Returns
    -------
    Comparison
        The figures of each example and what differs.

    Raises
    ------
    ComparisonError
        If the two explain different things (and which), or a value is NaN or infinite.

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
    values = (_canonical(a, a.values), _canonical(b, b.values))
    _check_same_question(a, b)
    for name, one in zip("ab", values, strict=True):
        bad = ~np.isfinite(one).reshape(len(one), -1).all(axis=1)
        if bad.any():
            raise ComparisonError(
                f"{name}.values is NaN or infinite in examples {listed(list(np.flatnonzero(bad)))}: nothing "
                "can be said of them. Leave them out, or look for what made them."
            )
    figures: dict[str, list[float]] = {name: [] for name in FIGURES}
    for example in range(len(a)):
        one, other = (_real(a, value[example], example).ravel() for value in values)
        figures["relative_l2"].append(relative_l2(one, other))
        figures["pearson"].append(pearson(one, other))
        figures["spearman"].append(spearman(one, other))
        figures["top_overlap"].append(top_overlap(one, other))
    figures["ssim"] = _ssim_of_maps(a, b)
    arrays = {name: np.array(column, np.float64) for name, column in figures.items()}
    return Comparison(**arrays, labels=_labels(a, b), differences=tuple(_differences(a, b)))


def figure_text(name: str, value: float) -> str:
    """Write one figure of similarity; a dash where it is not defined.

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
    """Give the structural similarity of each example's heatmaps where they are images."""
    padded = a.mask is not None and not np.all(a.mask)
    if padded or not {view(a), view(b)} <= {"image", "rows"}:
        return [math.nan] * len(a)
    pairs = zip(*(heatmaps(one.values, one.layout, per_feature=True) for one in (a, b)), strict=True)
    return [ssim(one, other) for one, other in pairs]


def _canonical(attribution: Attribution, array: npt.NDArray[Any]) -> Floats:
    """Lay an array of the inputs' shape out batch first, channels last, in float64."""
    layout = Layout(attribution.layout)
    layout.check(array)
    return layout.to_canonical(np.asarray(array, np.float64))


def _real(attribution: Attribution, canonical: Floats, example: int) -> Floats:
    """Leave the padding of one sequence out."""
    if attribution.mask is None or Layout(attribution.layout).time_axis is None:
        return canonical
    return np.asarray(canonical[np.asarray(attribution.mask[example], bool)])


def _check_same_question(a: Attribution, b: Attribution) -> None:
    """Refuse two attributions that explain different things; say all that differs."""
    inputs = _canonical(a, a.inputs), _canonical(b, b.inputs)
    found = []
    if len(a) != len(b):
        found.append(f"the number of examples: {len(a)} and {len(b)}")
    elif inputs[0].shape != inputs[1].shape:
        found.append(
            f"the inputs' shape, batch first and channels last: {inputs[0].shape} and {inputs[1].shape}"
        )
    else:
        found += _input_difference(*inputs)
        found += _target_difference(a, b)
        masks = [
            np.ones(inputs[0].shape[:2], bool) if one.mask is None else np.asarray(one.mask) for one in (a, b)
        ]
        if a.mask is not None or b.mask is not None:
            unlike = np.flatnonzero((masks[0] != masks[1]).any(axis=1))
            if unlike.size:
                found.append(f"the padding (mask) of examples {listed(list(unlike))}")
    if a.score != b.score:
        found.append(f"the kind of score: {a.score!r} and {b.score!r}")
    if (drawn_as(a) == "input") != (drawn_as(b) == "input"):
        found.append(
            f"the kind of result: an input that was found and an attribution ({a.method}, {b.method})"
        )
    if found:
        raise ComparisonError(
            "a and b explain different things and cannot be compared. They differ in "
            + "; ".join(found)
            + ". Explain the same x with the same target= and score= for both."
        )


def _input_difference(a: Floats, b: Floats) -> list[str]:
    """Say in which examples inputs differ by more than rounding, and by how much."""
    gap = np.abs(a - b).reshape(len(a), -1).max(axis=1, initial=0.0)
    size = np.maximum(np.abs(a), np.abs(b)).reshape(len(a), -1).max(axis=1, initial=0.0)
    # Negated, so that NaN in an input counts as a difference.
    unlike = np.flatnonzero(~(gap <= INPUT_TOLERANCE * np.maximum(size, 1e-30)))
    if not unlike.size:
        return []
    return [f"the inputs of examples {listed(list(unlike))}, by up to {number(float(gap[unlike].max()))}"]


def _target_difference(a: Attribution, b: Attribution) -> list[str]:
    """Say in which examples the targets differ."""
    if a.target == b.target:
        return []
    if len(a.target) != len(b.target):
        return [f"the targets: {a.target} and {b.target}"]
    unlike = [index for index, pair in enumerate(zip(a.target, b.target, strict=True)) if pair[0] != pair[1]]
    first = unlike[0]
    names = [class_name(one, one.target[first]) for one in (a, b)]
    return [
        f"the targets of examples {listed(list(unlike))} (example {first}: {names[0]} and {names[1]}; two "
        "models may predict different classes, so give target= to both)"
    ]


def _differences(a: Attribution, b: Attribution) -> list[str]:
    """List what may differ between two attributions that are compared, and does."""
    plain = ("framework", "model", "layer", "method", "engine", "layout", "seed")
    found = [
        f"{name}: {getattr(a, name)} | {getattr(b, name)}"
        for name in plain
        if getattr(a, name) != getattr(b, name)
    ]
    for one in integration_differences(a, b):
        found.append(f"{one.name}: {one.one} | {one.other}" + (f" ({one.where})" if one.where else ""))
    # Two integrals whose steps are known differ by those, however they were chosen.
    told = CHOICE_OPTIONS if a.steps is not None and b.steps is not None else ()
    for option in sorted((set(a.options) | set(b.options)) - set(told)):
        mine, theirs = (options.get(option, "–") for options in (a.options, b.options))
        if not np.array_equal(np.asarray(mine, object), np.asarray(theirs, object)):
            found.append(f"option {option}: {mine} | {theirs}")
    return found + _baseline_difference(a, b) + _score_difference(a, b)


def _baseline_difference(a: Attribution, b: Attribution) -> list[str]:
    """Say how the baselines differ, if both have one or only one has; sets of references by their number."""
    kinds = [_baseline_kind(one) for one in (a, b)]
    if any("references" in kind for kind in kinds):
        return [f"baseline: {kinds[0]} | {kinds[1]}"] if kinds[0] != kinds[1] else []
    if (a.baseline is None) != (b.baseline is None):
        return ["baseline: only " + ("a" if b.baseline is None else "b") + " has one"]
    if a.baseline is None or b.baseline is None:
        return []
    gap = np.abs(_canonical(a, a.baseline) - _canonical(b, b.baseline))
    unlike = np.flatnonzero(gap.reshape(len(gap), -1).max(axis=1, initial=0.0) > INPUT_TOLERANCE)
    if not unlike.size:
        return []
    rules = [str(one.baseline_rule.get("rule", "given")) for one in (a, b)]
    where = f"examples {listed(list(unlike))}, by up to {number(float(gap.max()))}"
    return [f"baseline: {rules[0]} | {rules[1]} ({where})"]


def _baseline_kind(a: Attribution) -> str:
    if a.baseline_rule.get("rule") == "references":
        return f"{a.baseline_rule['count']} references"
    return "none" if a.baseline is None else "one an example"


def _score_difference(a: Attribution, b: Attribution) -> list[str]:
    """Say how far the explained scores lie apart where that is more than rounding."""
    one, other = (np.asarray(x.scores, np.float64) for x in (a, b))
    gap = np.abs(one - other).max(initial=0.0)
    size = max(np.abs(one).max(initial=0.0), np.abs(other).max(initial=0.0))
    return [f"scores: by up to {number(float(gap))}"] if gap > 1e-3 * size else []


def _labels(a: Attribution, b: Attribution) -> tuple[str, str]:
    """Name the two by what tells them apart."""
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
