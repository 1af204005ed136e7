"""DeepLift's multipliers of operations: what each propagates instead of its gradient.

Each function takes an operation in both runs and the values that arrive at its results; the formulas that are not
TensorFlow's own stand in `explain.backends.operations.slopes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from explain.backends.operations import slopes
from explain.backends.operations.rules import NO_DIFFERENCE, NO_SINGLE_DIFFERENCE
from explain.backends.operations.slopes import Ends, TensorFunctions
from explain.tf_ext.backward_rules.anatomy import Anatomy
from explain.tf_ext.backward_rules.backward import gradient_of
from explain.tf_ext.model.graph import name_of

FUNCTIONS = TensorFunctions(
    where=tf.where,
    maximum=tf.maximum,
    abs=tf.abs,
    expm1=tf.math.expm1,
    total=lambda tensor, axes: tf.reduce_sum(tensor, axes, keepdims=True),
    mean=lambda tensor, axes: tf.reduce_mean(tensor, axes, keepdims=True),
)
_LAST = -1


@dataclass(frozen=True)
class Step:
    """An operation in the run at the input, and the same in the run at the baseline.

    Parameters
    ----------
    operation, other : tf.Operation
        The operation in both runs.
    anatomy : Anatomy
        The operations of the run at the input.
    """

    operation: Any
    other: Any
    anatomy: Anatomy

    @property
    def moving(self) -> list[int]:
        """The positions of the operands that depend on the input."""
        return self.anatomy.moving(self.operation)

    def operand(self, place: int | None = None) -> Ends:
        """Give the operand at a position, by default the first that depends on the input."""
        at = self.moving[0] if place is None else place
        return Ends(self.operation.inputs[at], self.other.inputs[at])

    def result(self) -> Ends:
        """Give the first result."""
        return Ends(self.operation.outputs[0], self.other.outputs[0])

    def only(self, place: int, gradient: Any) -> list[Any]:
        """Give gradients of the operands with none but that at a position."""
        return [gradient if at == place else None for at in range(len(self.operation.inputs))]


def of_one_value(step: Step, arriving: Sequence[Any]) -> Sequence[Any]:
    """Propagate the incoming value times (f(x) − f(b)) / (x − b); the gradient where x and b are equal."""
    place = step.moving[0]
    entered, made = step.operand(), step.result()
    change = entered.at_input - entered.at_baseline
    gradient = gradient_of(step.operation, arriving)[place]
    return step.only(place, _sloped(made.at_input - made.at_baseline, change, arriving[0], gradient))


def of_polynomial(step: Step, arriving: Sequence[Any]) -> Sequence[Any]:
    """Propagate the mean of the gradients of both runs, exact for a polynomial of degree two."""
    both = (gradient_of(one, arriving) for one in (step.operation, step.other))
    return [one if one is None or two is None else (one + two) / 2 for one, two in zip(*both, strict=True)]


def of_product(step: Step, arriving: Sequence[Any]) -> Sequence[Any]:
    """Propagate as `of_polynomial`; through x · f(x) by its slope, and through a reciprocal as through a quotient."""
    plain = of_polynomial(step, arriving)
    if len(step.moving) != 2:
        return plain
    if (signal := step.anatomy.patterns.own_signal(step.operation)) is not None:
        return _of_one_signal(step, signal, arriving, plain)
    factors = [tensor.op for tensor in step.operation.inputs]
    place = step.anatomy.flow.factor_from(factors, step.anatomy.reciprocals)
    if place is None:
        return plain
    factor, signals = step.operand(place), step.operand(1 - place)
    middle = arriving[0] * factor.middle, arriving[0] * signals.middle
    found = slopes.reciprocal_slopes(arriving[0], factor, step.result(), middle, FUNCTIONS)
    both = _like(found[0], signals), _like(found[1], factor)
    return both if place == 1 else both[::-1]


def of_quotient(step: Step, arriving: Sequence[Any]) -> Sequence[Any]:
    """Propagate through a quotient by the change of its dividend and that of its divisor."""
    if step.moving == [0, 1] and step.anatomy.patterns.own_signal(step.operation) == 0:
        return _of_one_signal(step, 0, arriving, of_polynomial(step, arriving))
    dividend, divisor = step.operand(0), step.operand(1)
    found = slopes.quotient_slopes(arriving[0], divisor, step.result(), FUNCTIONS)
    return _like(found[0], dividend), _like(found[1], divisor)


def of_choice(step: Step, arriving: Sequence[Any]) -> Sequence[Any]:
    """Propagate as the gradient; where both runs choose differently, all to the operand that the input chooses."""
    chosen, made = step.operand(0), step.result()
    differs = chosen.at_input != chosen.at_baseline
    found: list[Any] = [None, None, None]
    for place in step.moving:
        entered = step.operand(place)
        change = entered.at_input - entered.at_baseline + tf.zeros_like(made.at_input)
        takes = chosen.at_input if place == 1 else ~chosen.at_input
        # A constant takes nothing.
        pays = differs & (takes if len(step.moving) == 2 else tf.ones_like(takes))
        gradient = arriving[0] * tf.cast(takes & ~differs, change.dtype)
        sloped = _sloped(made.at_input - made.at_baseline, change, arriving[0], gradient)
        found[place] = _like(tf.where(pays, sloped, gradient), entered)
    return found


def of_softmax_by_hand(step: Step, axes: Sequence[int], arriving: Sequence[Any]) -> Sequence[Any]:
    """Propagate through exp(x) / Σ exp(x), as through a softmax; the exponential then passes on what arrives."""
    values = step.result()
    weights = slopes.logarithmic_means(Ends(*(tf.math.log(one) for one in values)), values, FUNCTIONS)
    return [slopes.softmax_slopes(arriving[0], weights, axes, FUNCTIONS), None]


def of_log_sum_by_hand(
    step: Step, total: Step, axes: Sequence[int], arriving: Sequence[Any]
) -> Sequence[Any]:
    """Propagate through the exponential in log Σ exp(x); the logarithm passes on what arrives."""
    made = step.result()
    kept = tf.shape(tf.reduce_sum(made.at_input, axes, keepdims=True))
    sums = Ends(*(tf.reshape(one, kept) for one in total.result()))
    values = Ends(*(one / whole for one, whole in zip(made, sums, strict=True)))
    weights = slopes.logarithmic_means(Ends(*(tf.math.log(one) for one in values)), values, FUNCTIONS)
    return [arriving[0] * slopes.log_sum_exp_shares(weights, axes, FUNCTIONS)]


def of_pick(step: Step, arriving: Sequence[Any]) -> Sequence[Any]:
    """Divide the change of a maximum between its position at the input and its position at the baseline.

    Captum's rule: with c the greater of both maxima, c − max(b) goes to the position at the input and
    max(x) − c to that at the baseline, each divided by the change of the operand at that position.
    """
    entered, highest = step.operand(), step.result()
    crossing = (tf.minimum if name_of(step.operation) == "Min" else tf.maximum)(*highest)
    change = entered.at_input - entered.at_baseline
    shares = gradient_of(step.operation, [arriving[0] * (crossing - highest.at_baseline)])[0]
    shares += gradient_of(step.other, [arriving[0] * (highest.at_input - crossing)])[0]
    gradient = gradient_of(step.operation, arriving)[0]
    return step.only(0, _sloped(shares, change, tf.ones_like(change), gradient))


def of_pair(step: Step, arriving: Sequence[Any]) -> Sequence[Any]:
    """Divide the change of the greater, or lesser, of two values between the two by their Shapley values."""
    function = tf.minimum if name_of(step.operation) == "Minimum" else tf.maximum
    both = step.operand(0), step.operand(1)
    found = []
    for operand, effect in zip(both, slopes.pair_slopes(function, *both), strict=True):
        change = operand.at_input - operand.at_baseline
        picked = tf.cast(step.result().at_input == operand.at_input, effect.dtype)
        found.append(_like(_sloped(effect, change, arriving[0], picked * arriving[0]), operand))
    return found


def of_root(step: Step, arriving: Sequence[Any]) -> Sequence[Any]:
    """Propagate the mean of both gradients, weighted by the roots."""
    pair = Ends(*(gradient_of(one, arriving)[0] for one in (step.operation, step.other)))
    made = Ends(*(tf.cast(one, pair.at_input.dtype) for one in step.result()))
    return [slopes.root_slopes(made, pair, FUNCTIONS)]


def of_softmax(step: Step, arriving: Sequence[Any]) -> Sequence[Any]:
    """Propagate through a softmax."""
    return [slopes.softmax_slopes(arriving[0], _logarithmic_means(step), _LAST, FUNCTIONS)]


def of_log_softmax(step: Step, arriving: Sequence[Any]) -> Sequence[Any]:
    """Propagate through the logarithm of a softmax."""
    return [slopes.log_softmax_slopes(arriving[0], _logarithmic_means(step), _LAST, FUNCTIONS)]


def _of_one_signal(step: Step, signal: int, arriving: Sequence[Any], plain: Sequence[Any]) -> Sequence[Any]:
    """Propagate through a function of one value that is written as a product or quotient: all goes to this value."""
    entered, made = step.operand(signal), step.result()
    change = entered.at_input - entered.at_baseline
    found = list(plain)
    found[signal] = _sloped(made.at_input - made.at_baseline, change, arriving[0], plain[signal])
    found[1 - signal] = tf.where(_are_alike(change), plain[1 - signal], tf.zeros_like(change))
    return found


def _sloped(rise: Any, change: Any, arriving: Any, gradient: Any) -> Any:
    """Give arriving · rise / change, and the gradient where there is no change."""
    alike = _are_alike(change)
    slope = rise / tf.where(alike, tf.ones_like(change), change)
    return tf.where(alike, gradient, arriving * slope)


def _are_alike(change: Any) -> Any:
    # Masked values are −∞ in both runs, without a difference.
    least = NO_DIFFERENCE if change.dtype == tf.float64 else NO_SINGLE_DIFFERENCE
    return (tf.abs(change) < least) | tf.math.is_nan(change)


def _logarithmic_means(step: Step) -> Any:
    """Give the logarithmic means of the softmax of an operation's operand in both runs."""
    logarithms = Ends(*(tf.nn.log_softmax(one) for one in step.operand()))
    return slopes.logarithmic_means(logarithms, Ends(*(tf.exp(one) for one in logarithms)), FUNCTIONS)


def _like(values: Any, ends: Ends) -> Any:
    """Sum over the axes along which an operand was broadcast."""
    shape, wanted = tf.shape(values), tf.shape(ends.at_input)
    axes, _ = tf.raw_ops.BroadcastGradientArgs(s0=wanted, s1=shape)
    return tf.reshape(tf.reduce_sum(values, axes), wanted)
