"""Converts a model's output to the scalar that is explained, with the activation that computed the output.

Written once for every framework: the extension supplies tensor arithmetic and the recorded activations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from explain.backends.operations.endings import ActivationKind, Ending
from explain.backends.question import Finding, ScoreKind
from explain.errors import ScoreError
from explain.inputs.examples import Array
from explain.inputs.layout import Layout

_PROBABILITY_TOLERANCE, _ROUNDING = 1e-3, 1e-5


@dataclass(frozen=True)
class RecordedActivation:
    """A call of an activation layer, recorded while the model ran.

    Parameters
    ----------
    kind : str
        ``"softmax"``, ``"log_softmax"`` or ``"sigmoid"``.
    logits, output : tensor
        Its input and its output.
    axis : int
        The axis of the classes.
    """

    kind: ActivationKind
    logits: Any
    output: Any
    axis: int = -1


@dataclass(frozen=True)
class Arithmetic:
    """The tensor operations that scores need.

    Parameters
    ----------
    softmax, log_softmax : callable
        Of a tensor along an axis.
    sigmoid, log_sigmoid, exp, log : callable
        Of a tensor, element by element.
    """

    softmax: Callable[[Any, int], Any]
    log_softmax: Callable[[Any, int], Any]
    sigmoid: Callable[[Any], Any]
    log_sigmoid: Callable[[Any], Any]
    exp: Callable[[Any], Any]
    log: Callable[[Any], Any]


def terminal_activation(output: Any, recorded: Sequence[RecordedActivation]) -> RecordedActivation | None:
    """Give the recorded activation whose output the model returned, None if there is none."""
    return next((one for one in reversed(recorded) if one.output is output), None)


@dataclass(frozen=True)
class Reading:
    """A model's output, and how to compute the explained output from it.

    Parameters
    ----------
    source : tensor
        The logits if they are known, else the model's output; shape (N, ...).
    transform : callable
        From the source to the explained output, row by row.
    finding : Finding
        The kind of score that is explained.
    """

    source: Any
    transform: Callable[[Any], Any]
    finding: Finding

    @property
    def explained(self) -> Any:
        """The explained output, shape (N, ...)."""
        return self.transform(self.source)


def read_output(
    output: Any,
    wanted: ScoreKind,
    arithmetic: Arithmetic,
    *,
    terminal: RecordedActivation | None,
    ending: Ending | None,
    replaced: Any,
    class_axis: int,
) -> Reading:
    """Find the transform from a model's output to the explained output.

    Parameters
    ----------
    output : tensor
        The model's output, shape (N, ...).
    wanted : str
        The kind of score that the caller wants.
    arithmetic : Arithmetic
        The framework's operations.
    terminal : RecordedActivation, optional
        The activation layer that computed it.
    ending : Ending, optional
        The activations from which it is computed, if there are no others.
    replaced : tensor, optional
        The output with the wanted kind of score in place of the activations that made its values.
    class_axis : int
        The axis of the classes, if no activation defines it.
    """
    if wanted == "output":
        return Reading(output, same, Finding("output"))
    if terminal is not None:
        if wanted == "logit":
            return Reading(terminal.logits, same, Finding("logit"))
        kind: ActivationKind = "sigmoid" if terminal.kind == "sigmoid" else "softmax"
        return Reading(terminal.logits, _activation(arithmetic, kind, wanted, terminal.axis), Finding(wanted))
    if replaced is not None:
        return Reading(replaced, same, Finding(wanted))
    if ending is not None and ending.moved:
        held = ending.held
        if wanted == "logit":
            return Reading(output, same, Finding(held, reason=undoable_reason(held, ending.activation)))
        if wanted == held:
            return Reading(output, same, Finding(wanted))
        return Reading(output, arithmetic.exp if wanted == "probability" else arithmetic.log, Finding(wanted))
    # Only the values show whether they still are probabilities.
    mixed = None if ending is None else ending.held
    made_by = "" if ending is None else ending.activation
    if wanted == "logit":
        return Reading(output, same, Finding("logit", mixed=mixed, made_by=made_by))
    # One class means a sigmoid: over an axis of size one, a softmax is the constant 1.
    sizes = tuple(output.shape)
    kind = "sigmoid" if all(size == 1 for size in sizes[1:]) or sizes[class_axis] == 1 else "softmax"
    return Reading(
        output,
        _activation(arithmetic, kind, wanted, class_axis),
        Finding(wanted, transformed=True, mixed=mixed, made_by=made_by),
    )


def class_axis(
    output: Sequence[int | None], given: Sequence[int | None], layout: Layout, *, channels_first: bool
) -> int:
    """Give the axis of the classes in an output that no activation made: 1 or -1.

    Parameters
    ----------
    output, given : sequence of int
        The shapes of the output and of the first input, in the model's own layout.
    layout : Layout
        The axes of the input.
    channels_first : bool
        The convention of the framework, where the input does not show it.

    Examples
    --------
    A map of one class, at the places of the input, in both orders:

    >>> class_axis((2, 1, 8, 9), (2, 3, 8, 9), Layout("NCHW"), channels_first=True)
    1
    >>> class_axis((2, 8, 9, 1), (2, 3, 8, 9), Layout("NCHW"), channels_first=True)
    -1
    """
    if len(output) < 3:
        return -1
    places = [
        size
        for size, letter in zip(given, layout.axes, strict=False)
        if letter not in "NC" and size is not None
    ]
    if layout.batch_axis == 0 and len(places) == len(output) - 2:
        after, before = list(output[2:]) == places, list(output[1:-1]) == places
        if after != before:
            return 1 if after else -1
    axes = layout.batch_first.axes
    if len(axes) > 2 and "C" in axes:
        return 1 if axes[1] == "C" else -1
    # A model of tokens keeps a vector for each of them.
    return -1 if "T" in axes or not channels_first else 1


def same(tensor: Any) -> Any:
    """Return a tensor unchanged."""
    return tensor


def _activation(
    arithmetic: Arithmetic, kind: ActivationKind, wanted: ScoreKind, axis: int
) -> Callable[[Any], Any]:
    """Give the function from logits to probabilities, or to their logarithms."""
    if kind == "sigmoid":
        return arithmetic.sigmoid if wanted == "probability" else arithmetic.log_sigmoid
    along = arithmetic.softmax if wanted == "probability" else arithmetic.log_softmax
    return lambda logits: along(logits, axis)


def read_opaque(output: Any, wanted: ScoreKind, ending: Ending | None) -> Reading:
    """Explain the unchanged output of a model whose layers cannot be accessed."""
    return Reading(output, same, opaque_finding(wanted, ending))


def opaque_finding(wanted: ScoreKind, ending: Ending | None) -> Finding:
    """Say what is explained of a model whose layers cannot be accessed: its unchanged output."""
    if wanted == "output" or ending is None:
        return Finding("output", opaque=wanted != "output")
    if not ending.moved:
        return Finding("output", opaque=True, mixed=ending.held, made_by=ending.activation)
    reason = undoable_reason(ending.held, ending.activation, opaque=True)
    return Finding(ending.held, reason=reason, opaque=True)


def undoable_reason(held: ScoreKind, activation: str, *, opaque: bool = False, mixed: bool = False) -> str:
    """Say that a probability is explained, why, and what to do.

    Parameters
    ----------
    held : str
        The kind of score that is explained.
    activation : str
        The activation in words.
    opaque : bool
        Whether the layers of the model cannot be accessed.
    mixed : bool
        Whether the model computes with the values of the activation before it returns them.
    """
    if opaque:
        where = (
            f"the layers of the model cannot be accessed, and its output looks like that of a {activation}"
        )
        remedy = "Give the original model, or one that returns logits"
    elif mixed:
        where = (
            f"the model computes its output from the values of a {activation} (an average, a product, a limit, a "
            "logarithm), so that no logit belongs to it"
        )
        remedy = "Explain one of the parts, or return the logits from the model"
    else:
        where = f"the model's output is that of a {activation} that could not be taken off"
        remedy = "Make it a layer (nn.Softmax, keras.layers.Softmax) or return logits"
    return (
        f"The explained score is a {held.replace('_', ' ')}: {where}. Probabilities hardly change where the model is "
        f"certain, and their gradients vanish. {remedy}; say score={('output' if opaque else held)!r} if you want it."
    )


def no_gradient_reason(model_name: str) -> str:
    """Say why a score may have no gradient, and what to do."""
    return (
        f"The score of {model_name} has no gradient to its input: on the way a tensor is detached, stopped, rounded, "
        "taken as class numbers (argmax), converted to NumPy, or computed in whole numbers (a quantised model). "
        "Explain a score that depends smoothly on the input, or take a method without gradients, such as "
        "feature_ablation."
    )


def unused_reason(model_name: str, layer: str | None) -> str:
    """Say that a score did not change with the input, or with the output of a layer, and what to do."""
    if layer is None:
        return (
            f"The score of {model_name} has no gradient to its input, and did not change when noise was added to the "
            "input: the output at this target is computed without it, or only in steps (rounding, class numbers). "
            "Explain an output on which the input has an effect, with target= or output=."
        )
    return (
        f"The score of {model_name} has no gradient to layer={layer!r}, and did not change when noise was added to the "
        "layer's output: the model does not use it for this score. Of a layer with several outputs, such as a "
        "recurrent layer with its state, the first is taken, and the model may use another one. Name a layer that the "
        "score depends on, for example the one that reads this layer, or leave layer out."
    )


def looks_like_probabilities(outputs: Array) -> bool:
    """Tell whether every example's outputs are from 0 to 1 and sum to one along the axis of the classes.

    Parameters
    ----------
    outputs : numpy.ndarray
        Shape (N, classes), (N, classes, ...) or (N, ..., classes).

    Examples
    --------
    >>> looks_like_probabilities(np.array([[0.25, 0.75]])), looks_like_probabilities(np.array([[2.0, -1.0]]))
    (True, False)
    """
    if outputs.ndim < 2 or outputs.min() < 0 or outputs.max() > 1:
        return False
    return any(
        outputs.shape[axis] > 1 and np.allclose(outputs.sum(axis=axis), 1, atol=_PROBABILITY_TOLERANCE)
        for axis in {1, outputs.ndim - 1}
    )


def looks_like_log_probabilities(outputs: Array) -> bool:
    """Tell whether the exponentials of the outputs look like probabilities."""
    return outputs.ndim > 1 and bool(outputs.max() <= 0) and looks_like_probabilities(np.exp(outputs))


def may_be(kind: ScoreKind, outputs: Array) -> bool:
    """Tell whether outputs are in the range of probabilities or of their logarithms, up to rounding.

    Examples
    --------
    >>> may_be("probability", np.array([0.0, 1.0])), may_be("log_probability", np.array([0.5]))
    (True, False)
    """
    least, most = outputs.min(), outputs.max()
    if kind == "log_probability":
        return bool(most <= _ROUNDING)
    return bool(least >= -_ROUNDING and most <= 1 + _ROUNDING)


def unknown_score_error(score: str) -> ScoreError:
    """Give the error for a score that needs to know how the output is made, of a model that does not show it."""
    return ScoreError(
        f"score={score!r} is not available for a model whose layers cannot be accessed, since the "
        "kind of its output is unknown: say score='output', or give the original model."
    )
