"""Slopes between two runs of an operation on several values, the same for every framework.

DeepLift propagates, for every operation z = f(a, b, …), multipliers m with Σ m (a − a₀) = z − z₀, where a₀ and z₀ are
the values at the baseline. For an operation on single values the multiplier is (z − z₀) / (a − a₀). For the operations
here several multipliers satisfy the sum. These treat input and baseline alike, and none divides by a difference, so
they tend to the gradient as the two runs approach each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple


class Ends(NamedTuple):
    """A tensor in both runs.

    Parameters
    ----------
    at_input, at_baseline : tensor
        Its values, of one shape.
    """

    at_input: Any
    at_baseline: Any

    @property
    def middle(self) -> Any:
        """The mean of both."""
        return (self.at_input + self.at_baseline) / 2


@dataclass(frozen=True)
class TensorFunctions:
    """The operations of a framework on tensors that the formulas need, by NumPy's names.

    Parameters
    ----------
    where, maximum, abs, expm1 : callable
        Elementwise operations.
    total, mean : callable
        From a tensor and axes to the sum and the mean over these axes, which stay with size 1.
    """

    where: Callable[[Any, Any, Any], Any]
    maximum: Callable[[Any, Any], Any]
    abs: Callable[[Any], Any]
    expm1: Callable[[Any], Any]
    total: Callable[[Any, Any], Any]
    mean: Callable[[Any, Any], Any]

    def ratio(self, above: Any, below: Any) -> Any:
        """Divide; zero where the divisor is zero."""
        nothing = below == 0
        return self.where(nothing, above * 0, above / self.where(nothing, below * 0 + 1, below))


def quotient_slopes(
    arriving: Any, divisor: Ends, quotient: Ends, functions: TensorFunctions
) -> tuple[Any, Any]:
    """Propagate through q = a / b to a and to b.

    From a = q b follows a − a₀ = (q − q₀) b̄ + q̄ (b − b₀) with the means b̄ and q̄ of both runs, solved for q − q₀. So
    no value grows where one divisor is tiny, as the standard deviation of a constant baseline is. Divisors of different
    signs, whose mean can be zero, propagate by the mean of their reciprocals.

    Parameters
    ----------
    arriving : tensor
        The values that arrive at the quotient.
    divisor, quotient : Ends
        b and q.
    functions : TensorFunctions
        The framework's operations.
    """
    alike = divisor.at_input * divisor.at_baseline > 0
    middle = functions.where(alike, divisor.middle, divisor.at_input * 0 + 1)
    inverse = (1 / divisor.at_input + 1 / divisor.at_baseline) / 2
    dividend = Ends(*(q * b for q, b in zip(quotient, divisor, strict=True))).middle
    apart = dividend / (divisor.at_input * divisor.at_baseline)
    to_dividend = functions.where(alike, 1 / middle, inverse)
    to_divisor = functions.where(alike, quotient.middle / middle, apart)
    return arriving * to_dividend, -arriving * to_divisor


def reciprocal_slopes(
    arriving: Any, factor: Ends, product: Ends, plain: tuple[Any, Any], functions: TensorFunctions
) -> tuple[Any, Any]:
    """Propagate through z = a r to a and to r, where r is a reciprocal: as through the quotient of a and 1 / r.

    Parameters
    ----------
    arriving : tensor
        The values that arrive at the product.
    factor, product : Ends
        r and z.
    plain : tuple of tensor
        What goes to a and to r where the two r have different signs.
    functions : TensorFunctions
        The framework's operations.
    """
    alike = factor.at_input * factor.at_baseline > 0
    both = factor.at_input + factor.at_baseline
    to_signal = functions.ratio(2 * factor.at_input * factor.at_baseline, both)
    to_factor = functions.ratio(product.at_input + product.at_baseline, both)
    return (
        functions.where(alike, arriving * to_signal, plain[0]),
        functions.where(alike, arriving * to_factor, plain[1]),
    )


def logarithmic_means(logarithms: Ends, values: Ends, functions: TensorFunctions) -> Any:
    """Give (p − p₀) / (log p − log p₀) for positive p, and p where the two are equal; zero where one of them is zero.

    Parameters
    ----------
    logarithms, values : Ends
        log p, and p.
    functions : TensorFunctions
        The framework's operations.
    """
    greater = functions.maximum(*values)
    distance = functions.abs(logarithms.at_input - logarithms.at_baseline)
    # The quotient is exact at any distance but zero.
    distance = functions.maximum(distance, greater * 0 + 1e-30)
    # A masked place has the logarithm −∞ in both runs.
    return functions.where(greater > 0, greater * -functions.expm1(-distance) / distance, greater * 0)


def softmax_slopes(arriving: Any, weights: Any, axes: Any, functions: TensorFunctions) -> Any:
    """Propagate through p = softmax(x) to x.

    With the logarithmic means λ of p and p₀, p − p₀ = λ (log p − log p₀) = λ (x − x₀ − c), and c follows from the sum
    of p, which is 1 in both runs: c = Σ λ (x − x₀) / Σ λ. So a number that is added to all x has no influence, as in
    the softmax itself, and all values are bounded. Index analysis calls it the logarithmic mean Divisia decomposition.

    Parameters
    ----------
    arriving : tensor
        The values that arrive at p.
    weights : tensor
        λ.
    axes
        The axes over which p sums to 1.
    functions : TensorFunctions
        The framework's operations.
    """
    mean = functions.ratio(functions.total(arriving * weights, axes), functions.total(weights, axes))
    return weights * (arriving - mean)


def log_softmax_slopes(arriving: Any, weights: Any, axes: Any, functions: TensorFunctions) -> Any:
    """Propagate through log softmax(x) to x, as `softmax_slopes` does through the softmax."""
    return arriving - functions.total(arriving, axes) * log_sum_exp_shares(weights, axes, functions)


def log_sum_exp_shares(weights: Any, axes: Any, functions: TensorFunctions) -> Any:
    """Give the multipliers λ / Σ λ of log Σ exp(x), which sum to 1."""
    return functions.ratio(weights, functions.total(weights, axes))


def normalization_slopes(
    arriving: Any, centred: Ends, deviation: Ends, axes: Any, centres: bool, functions: TensorFunctions
) -> Any:
    """Propagate through y = c / σ to x, where c is x, or x less its mean, and σ² is the mean of c² plus a constant.

    The quotient's rule, then those of a root and of a square: what arrives at σ is divided by σ + σ₀ and multiplied by
    (c + c₀) / n. So a norm gives the same values as the same norm written by hand.

    Parameters
    ----------
    arriving : tensor
        The values that arrive at y.
    centred, deviation : Ends
        c, and σ with size 1 on the axes.
    axes
        The axes over which the statistics are computed.
    centres : bool
        Whether c is x less its mean.
    functions : TensorFunctions
        The framework's operations.
    """
    quotient = Ends(*(c / d for c, d in zip(centred, deviation, strict=True)))
    to_centred, to_deviation = quotient_slopes(arriving, deviation, quotient, functions)
    to_variance = functions.total(to_deviation, axes) / (deviation.at_input + deviation.at_baseline)
    one = centred.at_input * 0 + 1
    found = to_centred + to_variance * (centred.at_input + centred.at_baseline) / functions.total(one, axes)
    return found - functions.mean(found, axes) if centres else found


def root_slopes(values: Ends, slopes: Ends, functions: TensorFunctions) -> Any:
    """Weight the gradients of both runs of z = √q(x), with a quadratic q, by z: z z' is linear in x.

    Parameters
    ----------
    values : Ends
        z, broadcast to x.
    slopes : Ends
        The gradients of z to x in both runs, times what arrives.
    functions : TensorFunctions
        The framework's operations.
    """
    weighted = values.at_input * slopes.at_input + values.at_baseline * slopes.at_baseline
    return functions.ratio(weighted, values.at_input + values.at_baseline)


def pair_slopes(function: Callable[[Any, Any], Any], first: Ends, second: Ends) -> tuple[Any, Any]:
    """Give the changes of an elementwise function of two values that each causes: the Shapley values of the two.

    Parameters
    ----------
    function : callable
        From two tensors to one.
    first, second : Ends
        Its operands.
    """
    both, none = function(first.at_input, second.at_input), function(first.at_baseline, second.at_baseline)
    only_first = function(first.at_input, second.at_baseline)
    only_second = function(first.at_baseline, second.at_input)
    return (both - only_second + only_first - none) / 2, (both - only_first + only_second - none) / 2
