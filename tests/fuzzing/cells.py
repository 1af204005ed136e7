"""One method on one drawn model: the public call beside the definition, and what comes of it."""

from __future__ import annotations

import re
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fuzzing import definitions
from fuzzing.architectures import Case
from fuzzing.passes import Array, Arrays, ByHand
from fuzzing.program import Operation

import explain
from explain.errors import ExplainError, ExplainWarning

# Results are float32. In single precision the points of a path are rounded alike, but sums are not.
_TOLERANCE = {"float64": 2e-5, "float32": 3e-3}
_FLOOR = {"float64": 1e-9, "float32": 2e-6}

OUTCOMES = ("equal", "equal, warned", "refused", "warned", "unchecked", "WRONG", "CRASH")
"""What a cell can end in.

``equal``: the values are those of the definition. ``equal, warned``: likewise, with a warning. ``refused``: an error
of `explain.errors`. ``warned``: other values, and a warning. ``unchecked``: no definition here. ``WRONG``: other
values and no warning. ``CRASH``: another error.
"""

# Of these warnings, none says that the values may be others than those of the definition at the score of the result.
_NOT_OF_VALUES = {
    "ConvergenceWarning",
    "ProbabilityScoreWarning",
    "RelevanceWarning",
    "SurrogateWarning",
    "ZeroGradientWarning",
    "ZeroMapWarning",
    "BaselineWarning",
    "NoiseWarning",
    "PlainGradientWarning",
    "UnusedInputWarning",
}


class NoDefinition(Exception):  # noqa: N818 - says what is so, not what went wrong
    """There is no definition of this method for this model."""


@dataclass
class Cell:
    """What came of one method on one model."""

    seed: int
    kind: str
    framework: str
    dtype: str
    method: str
    outcome: str = ""
    error: float = 0.0
    message: str = ""
    notes: list[str] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    arguments: str = ""


@dataclass
class Call:
    """A call of `explain.attribute` and the definition of its values.

    Parameters
    ----------
    arguments : dict
        The arguments besides the model and the input.
    define : callable
        From `ByHand` to one array per input.
    reduce : str
        How a token's vector becomes one number: ``"sum"``, ``"norm"``, or ``"whole"`` where each already has it.
    at, unit
        The results, or the unit, that are explained in place of the input and the output.
    complete : bool
        Whether the sum of the values is compared, and `define` gives the baselines.
    of_logits : bool
        Whether the definition holds for a logit only.
    find : callable, optional
        As `define`, from the result of the call also.
    """

    arguments: dict[str, Any]
    define: Callable[[ByHand], Arrays]
    reduce: str = "sum"
    at: tuple[int, ...] = ()
    unit: tuple[int, tuple[int, ...]] | None = None
    complete: bool = False
    of_logits: bool = False
    find: Callable[[Any, ByHand], Arrays] | None = None


def explained(case: Case, name: str, rng: np.random.Generator) -> Cell:
    """Explain a case by a method, and compare with the definition."""
    cell = Cell(case.seed, case.kind, case.framework, case.dtype, name, pieces=list(case.pieces))
    try:
        call = CALLS[name](case, rng)
    except NoDefinition as why:
        cell.outcome, cell.message = "not drawn", str(why)
        return cell
    asked = _asked(case, rng) if call.unit is None else {}
    arguments = {**case.arguments, **asked, **call.arguments, **_layout(case, rng)}
    cell.arguments = re.sub(r"\s+", " ", repr(arguments))[:300]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = explain.attribute(case.model, case.x, **arguments)
        except ExplainError as why:
            cell.outcome, cell.message = "refused", f"{type(why).__name__}: {why}"
            return cell
        except Exception as why:
            last = traceback.extract_tb(why.__traceback__)[-1]
            cell.outcome = "CRASH"
            cell.message = (
                f"{type(why).__name__}: {str(why)[:300]} ({last.filename.split('/')[-1]}:{last.lineno})"
            )
            return cell
    notes = [one for one in caught if issubclass(one.category, ExplainWarning)]
    cell.notes = [f"{one.category.__name__}: {one.message}" for one in notes]
    try:
        _compare(case, call, asked, result, cell)
    except NoDefinition as why:
        cell.outcome, cell.message = "unchecked", str(why)
    return cell


def _asked(case: Case, rng: np.random.Generator) -> dict[str, Any]:
    """Draw a score and a target."""
    found: dict[str, Any] = {}
    scores = ("logit",) * 6 + ("probability", "log_probability", "output")
    score = scores[int(rng.integers(len(scores)))]
    if score != "logit":
        found["score"] = score
    shape = case.passes.results(case.inputs)[case.output].shape
    if len(shape) > 2:
        found["target"] = tuple(int(rng.integers(side)) for side in shape[1:])
    elif len(shape) == 2 and shape[-1] > 1 and rng.random() < 0.5:
        found["target"] = [int(rng.integers(shape[-1])) for _ in range(shape[0])]
    return found


def _layout(case: Case, rng: np.random.Generator) -> dict[str, Any]:
    """State the layout where nobody could know it, and now and then besides."""
    if len(case.inputs) > 1 or (case.inputs[0].ndim < 3 and not case.time_first):
        return {}
    if case.time_first:
        return {"layout": "TN" + case.layouts[0][2:]}
    return {"layout": case.layouts[0]} if rng.random() < 0.4 else {}


def _compare(case: Case, call: Call, asked: dict[str, Any], result: Any, cell: Cell) -> None:
    every = result if isinstance(result, tuple | list) else [result]
    first = next(one for one in every if one is not None)
    wanted = asked.get("score", "logit")
    noted = {note.split(":")[0] for note in cell.notes}
    told = noted - _NOT_OF_VALUES
    if call.unit is None:
        target, problem = _target(case, asked, first)
        if problem:
            cell.outcome, cell.message = "WRONG", problem
            return
        # A model that ends in probabilities has no other output: the score may say so.
        if (
            first.score != wanted
            and "ProbabilityScoreWarning" not in noted
            and not (wanted == "output" and first.score in ("probability",))
        ):
            cell.outcome, cell.message = (
                "WRONG",
                f"score={wanted!r} was asked, the result says {first.score!r}",
            )
            return
        if first.score == "logit" and case.logits is None:
            cell.outcome, cell.message = "WRONG", f"says 'logit', but the model ends in {case.end}"
            return
    else:
        target = np.zeros((len(case.inputs[0]), 1), int)
    if len(case.inputs) == 1 and not call.at and call.find is None:
        axes = "TN" + case.layouts[0][2:] if case.time_first else case.layouts[0]
        if first.layout != axes:
            cell.outcome, cell.message = "WRONG", f"an input {axes} is read as {first.layout}"
            return
    if call.of_logits and not (first.score == "logit" or (first.score == "output" and case.end == "none")):
        raise NoDefinition("for logits only")
    of = ByHand(case, "output" if call.unit else first.score, target, call.unit, call.at)
    wanted_values = call.find(first, of) if call.find else call.define(of)
    if call.complete:
        _check_sum(of, every, wanted_values, told | (noted & {"ConvergenceWarning"}), cell)
        return
    values = _by_input(case, wanted_values, call)
    worst = 0.0
    for found, value in zip(every, values, strict=True):
        if found is None or value is None:
            continue
        array = np.asarray(found.values)
        if case.time_first and not call.at:
            array = array.swapaxes(0, 1)
        worst = max(worst, _distance(array, value, values, _precision(case)))
    cell.error = float(worst)
    if worst <= _TOLERANCE[_precision(case)]:
        cell.outcome = "equal, warned" if told else "equal"
    elif not told and case.depends and call.unit is None and not _differs_alone(case):
        raise NoDefinition("the examples depend on each other by less than counts as dependence")
    elif told:
        cell.outcome = "warned"
    else:
        cell.outcome, cell.message = "WRONG", f"off by {worst:.2g} of the greatest value"
    if case.depends and call.unit is None and not told and _differs_alone(case):
        cell.outcome, cell.message = "WRONG", "examples depend on each other, and nothing says so"


def _precision(case: Case) -> str:
    """Give the precision of the points: a Keras model may round its inputs to single precision, whatever follows."""
    return "float32" if case.inputs[0].dtype == np.uint8 else case.dtype


def _differs_alone(case: Case) -> bool:
    """Tell whether the last example alone has other outputs than in its batch, by clearly more than a thousandth."""
    ends = [case.output] if case.logits is None else [case.output, case.logits]
    together = case.passes.results(case.inputs)
    alone = case.passes.results(tuple(one[-1:] for one in case.inputs))
    return all(
        np.abs(together[end][-1:] - alone[end]).max() > 5e-3 * np.abs(together[end]).max() for end in ends
    )


def _target(case: Case, asked: dict[str, Any], first: Any) -> tuple[Array, str]:
    """Give the target of each example, and what is wrong with the one that the result says."""
    output = case.passes.results(case.inputs)[case.output]
    count = len(case.inputs[0])
    given = asked.get("target")
    if isinstance(given, tuple):
        return np.tile(np.array(given), (count, 1)), ""
    if given is not None:
        return np.array(given)[:, None], ""
    if output.ndim == 1:
        return np.zeros((count, 0), int), ""
    if output.shape[-1] == 1:
        return np.zeros((count, 1), int), ""
    said, best = np.array(first.target), np.argmax(output, axis=-1)
    for row in range(count):
        others = np.sort(output[row])
        if said[row] != best[row] and others[-1] - others[-2] > 1e-5 * np.abs(others).max():
            return said[:, None], f"target={said.tolist()}, but the predicted classes are {best.tolist()}"
    return said[:, None], ""


def _by_input(case: Case, values: Arrays, call: Call) -> list[Array | None]:
    """Give one array for each input from one for each moved result."""
    if call.at or call.find is not None:
        return list(values)
    found: list[Array | None] = []
    rest = iter(values)
    for moved, array in zip(case.moved, case.inputs, strict=True):
        mine = [next(rest) for _ in moved]
        if array.dtype.kind != "i":
            found.append(mine[0])
        elif call.reduce == "norm" and len(mine) > 1:
            found.append(None)
        elif call.reduce == "norm":
            found.append(np.sqrt((mine[0].astype(np.float64) ** 2).sum(-1)))
        elif call.reduce == "whole":
            found.append(mine[0][..., 0])
        else:
            found.append(np.sum([one.sum(-1) for one in mine], axis=0))
    return found


def _distance(found: Array, wanted: Array, every: list[Array | None], dtype: str) -> float:
    """Give the greatest difference, as a share of the greatest value of all inputs."""
    if found.shape != wanted.shape:
        return np.inf
    scale = max(float(np.abs(one).max()) for one in every if one is not None)
    difference = float(np.abs(found - wanted).max())
    if difference <= _FLOOR[dtype]:
        return 0.0
    return difference / scale if scale else np.inf


def _check_sum(of: ByHand, every: list[Any], baselines: Arrays, told: set[str], cell: Cell) -> None:
    """Compare the sum of the values with the difference of the scores by hand."""
    here = of.scores(tuple(x[:, None] for x in of.start()))[:, 0].astype(np.float64)
    there = of.scores(
        tuple(b[:, None] if b.ndim == x.ndim else b for x, b in zip(of.start(), baselines, strict=True))
    )
    wanted = here - there.astype(np.float64).mean(1)
    examples = [
        one.values.swapaxes(0, 1) if of.case.time_first else one.values for one in every if one is not None
    ]
    found = sum(one.astype(np.float64).reshape(len(here), -1).sum(1) for one in examples)
    size = max(
        1e-3 * max(np.abs(here).max(), np.abs(there).max()),
        max(float(np.abs(one).max()) for one in examples),
        float(np.abs(wanted).max()),
    )
    cell.error = float(np.abs(found - wanted).max() / size)
    loose = 0.05 if cell.method in _LOOSE else 10 * _TOLERANCE[_precision(of.case)]
    if cell.error <= loose:
        cell.outcome = "equal, warned" if told else "equal"
    else:
        cell.outcome = "warned" if told else "WRONG"
        cell.message = f"the sum is off by {cell.error:.2g}"


# --- the calls of each method ------------------------------------------------------------------------------------

_LOOSE = {"guided_integrated_gradients", "default integrated_gradients"}


def _baselines(case: Case, rng: np.random.Generator) -> tuple[dict[str, Any], Callable[[ByHand], Arrays]]:
    """Draw a baseline: its argument, and what it is at the moved results."""
    has_ids = any(one.dtype.kind == "i" for one in case.inputs)
    kind = ("none", "number", "array")[int(rng.integers(3))]
    if kind == "none" or has_ids or len(case.inputs) > 1:
        return {}, _zeros(case)
    if case.inputs[0].dtype == np.uint8:
        return {"baseline": 3.0}, lambda of: (np.full(case.inputs[0].shape, 3.0, case.dtype),)
    if kind == "number":
        return {"baseline": 0.3}, lambda of: tuple(np.full_like(one, 0.3) for one in of.start())
    array = rng.normal(size=case.inputs[0].shape).astype(case.dtype) / 2
    return {"baseline": array.swapaxes(0, 1) if case.time_first else array}, lambda of: (array,)


def _floats_only(case: Case) -> None:
    if len(case.inputs) > 1 or case.inputs[0].dtype.kind == "i" or case.time_first:
        raise NoDefinition("one input of numbers only, examples first")


def _one_input(case: Case) -> None:
    if len(case.inputs) > 1:
        raise NoDefinition("one input only")


def _saliency(case: Case, rng: np.random.Generator) -> Call:
    return Call({"method": "saliency"}, definitions.saliency, "norm")


def _input_x_gradient(case: Case, rng: np.random.Generator) -> Call:
    return Call({"method": "input_x_gradient"}, definitions.input_x_gradient)


def _integrated_gradients(case: Case, rng: np.random.Generator) -> Call:
    given, baselines = _baselines(case, rng)
    rules = ("midpoint", "gauss_legendre", "trapezoid", "riemann_left", "riemann_right")
    rule, n_steps = rules[int(rng.integers(len(rules)))], int(rng.integers(2, 9))
    return Call(
        {"method": "integrated_gradients", "rule": rule, "n_steps": n_steps, **given},
        lambda of: definitions.integrated_gradients(of, baselines(of), rule, n_steps),
    )


def _zeros(case: Case) -> Callable[[ByHand], Arrays]:
    """Give the default baseline at the moved results: zeros, and for ids the padding token, 0 in these models."""
    return lambda of: of.at_inputs(tuple(np.zeros_like(one) for one in case.inputs))


def _default_integrated_gradients(case: Case, rng: np.random.Generator) -> Call:
    return Call({"method": "integrated_gradients"}, _zeros(case), complete=True)


def _smooth(method: str) -> Callable[[Case, np.random.Generator], Call]:
    def call(case: Case, rng: np.random.Generator) -> Call:
        if len(case.inputs) > 1 or (case.inputs[0].dtype.kind == "i" and len(case.moved[0]) > 1):
            raise NoDefinition("one moved result only")
        n_samples, stdevs, seed = (
            int(rng.integers(2, 12)),
            float(rng.uniform(0.05, 0.3)),
            int(rng.integers(99)),
        )
        axes = "NTC" if case.inputs[0].dtype.kind == "i" else case.layouts[0]
        arguments = {"method": method, "n_samples": n_samples, "stdevs": stdevs, "seed": seed}

        def define(of: ByHand) -> Arrays:
            slopes = definitions.noisy_gradients(of, axes, n_samples, stdevs, seed)
            if method == "smoothgrad":
                return (slopes.mean(1),)
            if method == "smoothgrad_squared":
                return ((slopes**2).mean(1),)
            return ((slopes**2).mean(1) - slopes.mean(1) ** 2,)

        return Call(arguments, define, "norm" if method == "smoothgrad" else "sum")

    return call


def _expected_gradients(case: Case, rng: np.random.Generator) -> Call:
    _floats_only(case)
    references = rng.normal(size=(int(rng.integers(1, 4)), *case.inputs[0].shape[1:])).astype(case.dtype)
    n_samples, seed = int(rng.integers(3, 12)), int(rng.integers(99))
    return Call(
        {"method": "expected_gradients", "baseline": references, "n_samples": n_samples, "seed": seed},
        lambda of: definitions.expected_gradients(of, (references,), n_samples, seed),
    )


def _blur(case: Case, rng: np.random.Generator) -> Call:
    _floats_only(case)
    axes = case.layouts[0]
    if not set(axes) & set("TDHW"):
        raise NoDefinition("needs an axis of space or time")
    if set("TH") <= set(axes):
        raise NoDefinition("frames have both time and space")
    n_steps, max_sigma = int(rng.integers(2, 8)), float(rng.uniform(1, 5))
    return Call(
        {"method": "blur_integrated_gradients", "n_steps": n_steps, "max_sigma": max_sigma},
        lambda of: definitions.blur_integrated_gradients(of, axes, n_steps, max_sigma),
    )


def _guided_path(case: Case, rng: np.random.Generator) -> Call:
    given, baselines = _baselines(case, rng)
    return Call({"method": "guided_integrated_gradients", "n_steps": 60, **given}, baselines, complete=True)


def _features(case: Case, rng: np.random.Generator, few: bool = False) -> tuple[dict[str, Any], Arrays, str]:
    """Draw features: the argument, the number of each position of each moved result, and how tokens are reduced."""
    if any(one.dtype.kind == "i" for one in case.inputs):
        _one_input(case)
        shape = case.inputs[0].shape[1:]
        tokens = np.arange(int(np.prod(shape))).reshape(shape)
        return {}, tuple(tokens[..., None] for _ in case.moved[0]), "whole"
    if len(case.inputs) > 1:
        masks, start = [], 0
        for one in case.inputs:
            mask = np.arange(int(np.prod(one.shape[1:]))).reshape(one.shape[1:]) % 4
            masks.append(mask + start)
            start += 4
        return {"feature_mask": tuple(masks)}, tuple(masks), "whole"
    (x,), axes = case.inputs, case.layouts[0]
    sort = "array" if few else ("positions", "elements", "array")[int(rng.integers(3))]
    if case.time_first:
        sort = "positions"
    extent = [index for index, letter in enumerate(axes) if letter in "TDHW"]
    if sort == "positions" and extent:
        shape = tuple(x.shape[index] if index in extent else 1 for index in range(1, x.ndim))
        return {"feature_mask": "positions"}, (np.arange(int(np.prod(shape))).reshape(shape),), "whole"
    if sort == "elements" and x[0].size < 100:
        # Without an axis of channels, the order of the axes is that of the numbers.
        axis = axes.index("C") - 1 if "C" in axes else x.ndim - 2
        rest = [side for index, side in enumerate(x.shape[1:]) if index != axis]
        numbers = np.moveaxis(np.arange(x[0].size).reshape(*rest, x.shape[axis + 1]), -1, axis)
        return {"feature_mask": "elements"}, (numbers,), "whole"
    mask = rng.integers(0, 5, size=x.shape[1:])
    mask.reshape(-1)[: min(5, mask.size)] = np.arange(5)[: mask.size]
    mask = np.unique(mask, return_inverse=True)[1].reshape(mask.shape)
    return {"feature_mask": mask}, (mask,), "whole"


def _occlusion(case: Case, rng: np.random.Generator) -> Call:
    _floats_only(case)
    given, baselines = _baselines(case, rng)
    sides = case.inputs[0].shape[1:]
    window = tuple(int(rng.integers(max(1, side // 2), side + 1)) for side in sides)
    strides = tuple(int(rng.integers(1, one + 1)) for one in window)
    return Call(
        {"method": "occlusion", "sliding_window_shapes": window, "strides": strides, **given},
        lambda of: (definitions.occlusion(of, baselines(of), window, strides),),
    )


def _occlusion_of_tokens(case: Case, rng: np.random.Generator) -> Call:
    _one_input(case)
    if case.inputs[0].dtype.kind != "i":
        raise NoDefinition("ids only")
    _, baselines = _baselines(case, rng)
    _, features, _ = _features(case, rng)
    return Call(
        {"method": "occlusion"}, lambda of: definitions.feature_ablation(of, baselines(of), features), "whole"
    )


def _feature_ablation(case: Case, rng: np.random.Generator) -> Call:
    given, baselines = _baselines(case, rng)
    mask, features, reduce = _features(case, rng)
    return Call(
        {"method": "feature_ablation", **given, **mask},
        lambda of: definitions.feature_ablation(of, baselines(of), features),
        reduce,
    )


def _default_feature_ablation(case: Case, rng: np.random.Generator) -> Call:
    """Steps of a sequence, columns of a table, a token as a whole, with no feature mask."""
    _one_input(case)
    if case.kind not in ("series", "table", "ids"):
        raise NoDefinition("features of pictures are superpixels")
    given, baselines = _baselines(case, rng)
    (x,), axes = case.inputs, case.layouts[0]
    shape = tuple(
        side if case.kind == "table" or letter == "T" else 1
        for letter, side in zip(axes[1:], x.shape[1:], strict=True)
    )
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    features = tuple(numbers[..., None] for _ in case.moved[0]) if case.kind == "ids" else (numbers,)
    return Call(
        {"method": "feature_ablation", **given},
        lambda of: definitions.feature_ablation(of, baselines(of), features),
        "whole",
    )


def _feature_permutation(case: Case, rng: np.random.Generator) -> Call:
    _floats_only(case)
    if len(case.inputs[0]) < 2:
        raise NoDefinition("needs two examples")
    mask, (features,), _ = _features(case, rng)
    seed = int(rng.integers(99))
    return Call(
        {"method": "feature_permutation", "seed": seed, **mask},
        lambda of: (definitions.feature_permutation(of, features, seed),),
    )


def _rise(case: Case, rng: np.random.Generator) -> Call:
    _floats_only(case)
    given, baselines = _baselines(case, rng)
    n_masks, cells, seed = int(rng.integers(8, 90)), int(rng.integers(2, 9)), int(rng.integers(99))
    axes = case.layouts[0]
    arguments = {"method": "rise", "n_masks": n_masks, "seed": seed, **given}
    if set(axes) & set("TDHW"):
        arguments["grid_size"] = cells
    return Call(arguments, lambda of: (definitions.rise(of, baselines(of), axes, n_masks, cells, seed),))


def _shapley_sampling(case: Case, rng: np.random.Generator) -> Call:
    given, baselines = _baselines(case, rng)
    _one_input(case)
    mask, features, reduce = _features(case, rng, few=True)
    n_samples, seed = int(rng.integers(1, 5)), int(rng.integers(99))
    return Call(
        {"method": "shapley_value_sampling", "n_samples": n_samples, "seed": seed, **given, **mask},
        lambda of: definitions.shapley_value_sampling(of, baselines(of), features, n_samples, seed),
        reduce,
    )


def _kernel_shap(case: Case, rng: np.random.Generator) -> Call:
    given, baselines = _baselines(case, rng)
    _one_input(case)
    mask, features, reduce = _features(case, rng, few=True)
    return Call(
        {"method": "kernel_shap", "n_samples": 64, **given, **mask},
        lambda of: definitions.shapley_values(of, baselines(of), features),
        reduce,
    )


def _lime(case: Case, rng: np.random.Generator) -> Call:
    _floats_only(case)
    given, baselines = _baselines(case, rng)
    mask, (features,), _ = _features(case, rng, few=True)
    alpha, seed = float((0.0, 0.5)[int(rng.integers(2))]), int(rng.integers(99))
    return Call(
        {
            "method": "lime",
            "n_samples": 60,
            "interpretable_model": "ridge",
            "alpha": alpha,
            "seed": seed,
            **given,
            **mask,
        },
        lambda of: (definitions.lime(of, baselines(of), features, 60, alpha, seed),),
    )


def _guided(method: str) -> Callable[[Case, np.random.Generator], Call]:
    def call(case: Case, rng: np.random.Generator) -> Call:
        if any(one is not None and one.hides_relu for one in case.program.operations):
            raise NoDefinition("a layer hides a ReLU")
        return Call({"method": method}, lambda of: definitions.guided(of, method), "norm")

    return call


def _deep_lift(case: Case, rng: np.random.Generator) -> Call:
    given, baselines = _baselines(case, rng)
    if case.depends:
        raise NoDefinition("examples depend on each other")
    if _sorts(case) <= {"affine", "pointwise"}:
        return Call(
            {"method": "deep_lift", **given},
            lambda of: definitions.deep_lift(of, baselines(of)),
            of_logits=True,
        )
    return Call({"method": "deep_lift", **given}, baselines, complete=True)


def _deep_lift_shap(case: Case, rng: np.random.Generator) -> Call:
    _floats_only(case)
    references = rng.normal(size=(3, *case.inputs[0].shape[1:])).astype(case.dtype)
    arguments = {"method": "deep_lift_shap", "baseline": references}
    if case.depends:
        raise NoDefinition("examples depend on each other")
    if _sorts(case) <= {"affine", "pointwise"}:

        def define(of: ByHand) -> Arrays:
            each = [
                definitions.deep_lift(of, (np.broadcast_to(one, of.start()[0].shape),)) for one in references
            ]
            return (np.mean([values for (values,) in each], axis=0),)

        return Call(arguments, define, of_logits=True)
    return Call(
        arguments,
        lambda of: (np.broadcast_to(references[None], (len(case.inputs[0]), *references.shape)),),
        complete=True,
    )


def _lrp(case: Case, rng: np.random.Generator) -> Call:
    if not _sorts(case) <= {"affine", "pointwise", "gate", "maximum"}:
        raise NoDefinition("an operation that this definition has no rule for")
    # The definition is the limit of a small ε; the default may be large beside the terms of a score near zero.
    epsilon = 1e-13 if case.dtype == "float64" else 1e-9
    given = {"method": "lrp", "rule": "epsilon", "epsilon": epsilon}
    return Call(given, definitions.lrp_epsilon, of_logits=True)


def _sorts(case: Case) -> set[str]:
    starts = [index for moved in case.moved for index in moved]
    end = case.output if case.logits is None else case.logits
    return {one.sort for start in starts for one in case.program.operations_between(start, end)}


def _drawn_layer(case: Case, rng: np.random.Generator, maps: bool = False) -> tuple[str, int]:
    """Draw a layer: its name and its operation."""
    found = []
    values = case.passes.results(case.inputs)
    for index in case.layer_calls():
        operation, shape = _operation(case, index), values[index].shape
        if shape[0] != len(case.inputs[0]) or operation.as_written is not None:
            continue
        if maps and not _is_map(case, shape, operation.channel_axis):
            continue
        found.append((operation.layer, index))
    if not found:
        raise NoDefinition("no such layer")
    return found[int(rng.integers(len(found)))]


def _operation(case: Case, index: int) -> Operation:
    operation = case.program.operations[index]
    assert operation is not None, "an input is no operation"
    return operation


def _is_map(case: Case, shape: tuple[int, ...], channel_axis: int) -> bool:
    """Tell whether a layer has the axes of the input, none of them longer."""
    axes, given = case.layouts[0], case.inputs[0].shape
    own = [side for letter, side in zip(axes, given, strict=True) if letter in "TDHW"]
    sides = list(shape[1:])
    del sides[channel_axis - 1]
    return len(sides) == len(own) and all(side <= most for side, most in zip(sides, own, strict=True))


def _at_layer(method: str) -> Callable[[Case, np.random.Generator], Call]:
    def call(case: Case, rng: np.random.Generator) -> Call:
        _floats_only(case)
        name, node = _drawn_layer(case, rng)
        arguments: dict[str, Any] = {"method": method, "layer": name}
        if method == "saliency":
            return Call(arguments, definitions.saliency, at=(node,))
        if method == "input_x_gradient":
            return Call(arguments, definitions.input_x_gradient, at=(node,))
        return Call(
            {**arguments, "rule": "midpoint", "n_steps": 5},
            lambda of: definitions.integrated_gradients(of, _zeros(case)(of), "midpoint", 5),
            at=(node,),
        )

    return call


def _activation(case: Case, rng: np.random.Generator) -> Call:
    name, node = _drawn_layer(case, rng)
    return Call(
        {"method": "activation", "layer": name},
        lambda of: (definitions.activation(of, node),),
        at=(node,),
    )


def _conductance(case: Case, rng: np.random.Generator) -> Call:
    _floats_only(case)
    given, baselines = _baselines(case, rng)
    name, node = _drawn_layer(case, rng)
    n_steps = int(rng.integers(1, 7))

    def find(result: Any, of: ByHand) -> Arrays:
        return (definitions.conductance(of, baselines(of), node, "midpoint", n_steps),)

    return Call(
        {"method": "conductance", "layer": name, "n_steps": n_steps, "rule": "midpoint", **given},
        lambda of: (),
        find=find,
    )


def _neuron(method: str) -> Callable[[Case, np.random.Generator], Call]:
    def call(case: Case, rng: np.random.Generator) -> Call:
        name, node = _drawn_layer(case, rng)
        shape = case.passes.results(case.inputs)[node].shape[1:]
        index = tuple(int(rng.integers(side)) for side in shape)
        arguments: dict[str, Any] = {
            "method": method,
            "layer": name,
            "neuron": index if len(index) > 1 else index[0],
        }
        if method == "saliency":
            return Call(arguments, definitions.saliency, "norm", unit=(node, index))
        given, baselines = _baselines(case, rng)
        return Call(
            {**arguments, "rule": "midpoint", "n_steps": 5, **given},
            lambda of: definitions.integrated_gradients(of, baselines(of), "midpoint", 5),
            unit=(node, index),
        )

    return call


def _cam(method: str, default: bool = False) -> Callable[[Case, np.random.Generator], Call]:
    def call(case: Case, rng: np.random.Generator) -> Call:
        _floats_only(case)
        name, node = _drawn_layer(case, rng, maps=True)
        zeros = _zeros(case)

        def define(of: ByHand) -> Arrays:
            return (
                definitions.cam(
                    of, method, node, _operation(case, node).channel_axis, case.layouts[0], zeros(of)
                ),
            )

        def find(result: Any, of: ByHand) -> Arrays:
            if "()" in str(result.layer):
                maps = _maps_between_layers(case, result)
                return (min(maps, key=lambda own: float(np.abs(own - result.values).max())),)
            chosen = _default_layer(case, result, of)
            axis = _operation(case, chosen).channel_axis
            return (definitions.cam(of, method, chosen, axis, case.layouts[0], zeros(of)),)

        if default:
            return Call({"method": method}, define, find=find)
        return Call({"method": method, "layer": name}, define)

    return call


class UnfitLayer(AssertionError):  # noqa: N818 - what is wrong is found, not raised by the product
    """The layer that a class activation map took by itself is not one that it should take."""


def _maps_between_layers(case: Case, result: Any) -> list[np.ndarray]:
    """Give the map at the operation of the model's own code that the result names; its axes are not drawn."""
    is_plain = case.framework == "torch" and case.end == "none" and not case.time_first and not case.arguments
    scores = case.passes.results(case.inputs)[case.output]
    targets = [one if isinstance(one, tuple) else (one,) for one in result.target]
    is_class = all(len(one) == scores.ndim - 1 and None not in one for one in targets)
    if not (is_plain and is_class) or result.score not in ("logit", "output"):
        raise NoDefinition(f"{result.layer!r} has no name in the program")
    from fuzzing.between_layers import operation_maps

    maps = operation_maps(case, result, np.array(targets))
    if not maps:
        raise NoDefinition(f"{result.layer!r} has tokens of a grid")
    return maps


def _default_layer(case: Case, result: Any, of: ByHand) -> int:
    """Give the layer that the result names, if all of the score goes through it and its gradient is at many places."""
    if case.depends and not _differs_alone(case):
        raise NoDefinition("the examples depend on each other by less than counts as dependence")
    values = case.passes.results(case.inputs)
    nodes = [
        index
        for index, one in enumerate(case.program.operations)
        if one is not None
        and one.layer
        and one.layer == str(result.layer).split("/")[-1].split("[")[0].split(".")[-1]
    ]
    if not nodes:
        raise NoDefinition(f"layer {result.layer!r} is inside another")
    node = nodes[-1]
    if values[node].ndim != values[0].ndim or len(values[node]) != len(values[0]):
        raise NoDefinition(f"layer {result.layer!r} has another rank or other rows")
    held = {node: values[node], **dict(enumerate(case.inputs))}
    _, (past,) = case.passes.gradients(
        case.inputs, held, (0,), lambda tensors: of._scores(tensors, np.arange(len(case.inputs[0])))
    )
    if np.abs(past).max() > 1e-9 * max(1.0, float(np.abs(values[case.output]).max())):
        raise UnfitLayer(f"part of the score goes past layer {result.layer!r}")
    _, slopes = definitions.units_and_gradients(of, node, _operation(case, node).channel_axis)
    places = np.abs(slopes).sum(-1).reshape(len(slopes), -1)
    if places.shape[1] < 2:
        raise UnfitLayer(f"layer {result.layer!r} has a single place")
    # Where the gradient is zero everywhere, the map is zero, with a warning.
    if case.inputs[0].shape[-1] != 1 and (places[0] > 0).sum() == 1:
        raise UnfitLayer(f"the score depends on a single place of layer {result.layer!r}")
    return node


def _guided_cam(case: Case, rng: np.random.Generator) -> Call:
    _floats_only(case)
    if any(one is not None and one.hides_relu for one in case.program.operations):
        raise NoDefinition("a layer hides a ReLU")
    name, node = _drawn_layer(case, rng, maps=True)

    def define(of: ByHand) -> Arrays:
        axes = case.layouts[0]
        channels = case.inputs[0].shape[axes.index("C")] if "C" in axes else 1
        maps = definitions.cam(of, "grad_cam", node, _operation(case, node).channel_axis, axes, ())
        return (definitions.guided(of, "guided_backprop")[0] * maps * channels,)

    return Call({"method": "guided_grad_cam", "layer": name}, define)


CALLS: dict[str, Callable[[Case, np.random.Generator], Call]] = {
    "saliency": _saliency,
    "integrated_gradients": _integrated_gradients,
    "default integrated_gradients": _default_integrated_gradients,
    "input_x_gradient": _input_x_gradient,
    "smoothgrad": _smooth("smoothgrad"),
    "smoothgrad_squared": _smooth("smoothgrad_squared"),
    "vargrad": _smooth("vargrad"),
    "expected_gradients": _expected_gradients,
    "blur_integrated_gradients": _blur,
    "guided_integrated_gradients": _guided_path,
    "occlusion": _occlusion,
    "occlusion of tokens": _occlusion_of_tokens,
    "feature_ablation": _feature_ablation,
    "default feature_ablation": _default_feature_ablation,
    "feature_permutation": _feature_permutation,
    "rise": _rise,
    "shapley_value_sampling": _shapley_sampling,
    "kernel_shap": _kernel_shap,
    "lime": _lime,
    "guided_backprop": _guided("guided_backprop"),
    "deconvolution": _guided("deconvolution"),
    "deep_lift": _deep_lift,
    "deep_lift_shap": _deep_lift_shap,
    "lrp": _lrp,
    "activation": _activation,
    "conductance": _conductance,
    "saliency at a layer": _at_layer("saliency"),
    "input_x_gradient at a layer": _at_layer("input_x_gradient"),
    "integrated_gradients at a layer": _at_layer("integrated_gradients"),
    "saliency of a neuron": _neuron("saliency"),
    "integrated_gradients of a neuron": _neuron("integrated_gradients"),
    "grad_cam": _cam("grad_cam"),
    "grad_cam_plus_plus": _cam("grad_cam_plus_plus"),
    "layer_cam": _cam("layer_cam"),
    "score_cam": _cam("score_cam"),
    "default grad_cam": _cam("grad_cam", default=True),
    "guided_grad_cam": _guided_cam,
}
"""Every way of calling that is compared: from a case and draws to the call and its definition."""
