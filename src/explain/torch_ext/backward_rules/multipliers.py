"""DeepLift's multipliers of operations: what each propagates instead of its gradient.

Each function takes an operation in both runs and gives its hook; the formulas that are not PyTorch's own stand in
`explain.backends.operations.slopes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from explain.backends.operations import slopes
from explain.backends.operations.rules import NO_DIFFERENCE, NO_SINGLE_DIFFERENCE
from explain.backends.operations.slopes import Ends, TensorFunctions
from explain.torch_ext.backward_rules.backward import Propagation, sloped
from explain.torch_ext.backward_rules.kinds import axes_of
from explain.torch_ext.backward_rules.norms import shape_of
from explain.torch_ext.backward_rules.tape import Run, edge_of
from explain.torch_ext.model.graph import name_of

FUNCTIONS = TensorFunctions(
    where=torch.where,
    maximum=torch.maximum,
    abs=torch.abs,
    expm1=torch.expm1,
    total=lambda tensor, axes: tensor.sum(axes, keepdim=True),
    mean=lambda tensor, axes: tensor.mean(axes, keepdim=True),
)


@dataclass(frozen=True)
class Step:
    """An operation in the run at the input, and the same in the run at the baseline.

    Parameters
    ----------
    node, other : autograd node
        The operation in both runs.
    run, other_run : Run
        The runs; their tapes recorded all tensors.
    """

    node: Any
    other: Any
    run: Run
    other_run: Run

    @property
    def moving(self) -> list[int]:
        """The positions of the operands that depend on the input."""
        return [place for place, (below, _) in enumerate(self.node.next_functions) if below in self.run.nodes]

    def operand(self, place: int | None = None) -> Ends:
        """Give the operand at a position, by default the first that depends on the input."""
        at = self.moving[0] if place is None else place
        return Ends(
            self.run.tape.value(edge_of(self.node.next_functions[at])),
            self.other_run.tape.value(edge_of(self.other.next_functions[at])),
        )

    def result(self) -> Ends:
        """Give the first result."""
        return Ends(self.run.tape.value((self.node, 0)), self.other_run.tape.value((self.other, 0)))

    def saved(self, name: str) -> Ends:
        """Give a tensor that autograd stored with the operation."""
        return Ends(getattr(self.node, f"_saved_{name}"), getattr(self.other, f"_saved_{name}"))

    def gradients(self, arriving: tuple[Any, ...]) -> Ends:
        """Give the gradients of the operation in both runs, each a tuple."""
        return Ends(_called(self.node, arriving), _called(self.other, arriving))


def of_one_value(step: Step) -> Propagation:
    """Propagate the incoming value times (f(x) − f(b)) / (x − b); the gradient where x and b are equal."""
    place = step.moving[0]
    entered, made = step.operand(), step.result()

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        if given[place] is None:
            return None
        # Computed only now, so that the slopes of all operations are never in memory together.
        change, rise = entered.at_input - entered.at_baseline, made.at_input - made.at_baseline
        found = sloped(given[place], arriving[0], rise, change, _are_alike(change))
        return (*given[:place], found, *given[place + 1 :])

    return propagate


def of_polynomial(step: Step) -> Propagation:
    """Propagate the mean of the gradients of both runs, exact for a polynomial of degree two."""

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        at_baseline = _called(step.other, arriving)
        return tuple(
            # The engine sums a gradient over the axes of a broadcast; a node alone does not.
            one if one is None or two is None else (one + two.sum_to_size(one.shape)) / 2
            for one, two in zip(given, at_baseline, strict=True)
        )

    return propagate


def of_product(step: Step) -> Propagation:
    """Propagate as `of_polynomial`; through x · f(x) by its slope, and through a reciprocal as through a quotient."""
    plain, factors = of_polynomial(step), step.node.next_functions
    if len(step.moving) != 2:
        return plain
    if (signal := step.run.patterns.own_signal(step.node)) is not None:
        return _of_one_signal(step, signal, plain)
    place = step.run.flow.factor_from([below for below, _ in factors], step.run.reciprocals)
    if place is None:
        return plain
    factor, product = step.operand(place), step.result()
    signals = step.operand(1 - place)

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        middle = arriving[0] * factor.middle, arriving[0] * signals.middle
        found = slopes.reciprocal_slopes(arriving[0], factor, product, middle, FUNCTIONS)
        both = _like(found[0], signals), _like(found[1], factor)
        return both if place == 1 else both[::-1]

    return propagate


def of_quotient(step: Step) -> Propagation:
    """Propagate through a quotient by the change of its dividend and that of its divisor."""
    plain = of_polynomial(step)
    if step.moving == [0, 1] and step.run.patterns.own_signal(step.node) == 0:
        return _of_one_signal(step, 0, plain)
    divisor, quotient = step.operand(1), step.result()

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        to_dividend, to_divisor = slopes.quotient_slopes(arriving[0], divisor, quotient, FUNCTIONS)
        first = None if given[0] is None else to_dividend.sum_to_size(given[0].shape)
        return first, _like(to_divisor, divisor)

    return propagate


def of_choice(step: Step) -> Propagation:
    """Propagate as the gradient; where both runs choose differently, all to the operand that the input chooses."""
    chosen, (made, made_before) = step.saved("condition"), step.result()
    differs = chosen.at_input != chosen.at_baseline

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        found = list(given)
        for place in step.moving:
            entered = step.operand(place)
            change = (entered.at_input - entered.at_baseline).expand(made.shape)
            takes = chosen.at_input if place == 0 else ~chosen.at_input
            # A constant takes nothing.
            pays = differs & (takes if len(step.moving) == 2 else torch.ones_like(takes))
            alike = _are_alike(change)
            slope = (made - made_before) / torch.where(alike, torch.ones_like(change), change)
            slope = torch.where(pays & ~alike, slope, (takes & ~differs).to(slope.dtype))
            found[place] = (arriving[0] * slope).sum_to_size(entered.at_input.shape)
        return tuple(found)

    return propagate


def of_softmax_by_hand(step: Step, axes: Sequence[int]) -> Propagation:
    """Propagate through exp(x) / Σ exp(x), as through a softmax; the exponential then passes on what arrives."""
    values = step.result()
    weights = slopes.logarithmic_means(Ends(*(one.log() for one in values)), values, FUNCTIONS)

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        return slopes.softmax_slopes(arriving[0], weights, axes, FUNCTIONS), torch.zeros_like(given[1])

    return propagate


def of_log_sum_by_hand(step: Step, total: Step, axes: Sequence[int]) -> Propagation:
    """Propagate through the exponential in log Σ exp(x); the logarithm passes on what arrives."""
    made = step.result()
    sums = Ends(*(one.reshape(_kept(made.at_input, axes)) for one in total.result()))
    values = Ends(*(one / whole for one, whole in zip(made, sums, strict=True)))
    weights = slopes.logarithmic_means(Ends(*(one.log() for one in values)), values, FUNCTIONS)
    shares = slopes.log_sum_exp_shares(weights, axes, FUNCTIONS)
    return lambda given, arriving: (arriving[0] * shares,)


def of_pick(step: Step) -> Propagation:
    """Divide the change of a maximum between its position at the input and its position at the baseline.

    Captum's rule: with c the greater of both maxima, c − max(b) goes to the position at the input and
    max(x) − c to that at the baseline, each divided by the change of the operand at that position.
    """
    entered, highest = step.operand(), step.result()
    extreme = torch.minimum if name_of(step.node) in ("Min", "Amin") else torch.maximum
    change, crossing = entered.at_input - entered.at_baseline, extreme(*highest)
    alike = _are_alike(change)

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        if given[0] is None:
            return None
        shares = _called(step.node, (arriving[0] * (crossing - highest.at_baseline), *arriving[1:]))[0]
        shares = shares + _called(step.other, (arriving[0] * (highest.at_input - crossing), *arriving[1:]))[0]
        slope = shares / torch.where(alike, torch.ones_like(change), change)
        return (torch.where(alike, given[0], slope), *given[1:])

    return propagate


def of_pair(step: Step) -> Propagation:
    """Divide the change of the greater, or lesser, of two values between the two by their Shapley values."""
    function = torch.minimum if name_of(step.node) == "Minimum" else torch.maximum
    both = step.saved("self"), step.saved("other")
    effects = slopes.pair_slopes(function, *both)

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        found: list[Any] = []
        for place, effect in enumerate(effects):
            if given[place] is None:
                found.append(None)
                continue
            change = both[place].at_input - both[place].at_baseline
            alike = _are_alike(change)
            picked = (function(both[0].at_input, both[1].at_input) == both[place].at_input).to(effect.dtype)
            slope = torch.where(alike, picked, effect / torch.where(alike, torch.ones_like(change), change))
            found.append((arriving[0] * slope).sum_to_size(given[place].shape))
        return tuple(found)

    return propagate


def of_root(step: Step) -> Propagation | None:
    """Propagate the mean of both gradients, weighted by the roots; None for a norm that is not the Euclidean one."""
    if name_of(step.node) == "LinalgVectorNorm" and step.node._saved_ord != 2:
        return None
    made, entered = step.result(), step.operand()
    wide = made
    if name_of(step.node) != "Abs":
        shape = _kept(entered.at_input, axes_of(step.node) or range(entered.at_input.dim()))
        wide = Ends(*(one.reshape(shape) for one in made))

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        pair = Ends(*(one[0] for one in step.gradients(arriving)))
        return (slopes.root_slopes(wide, pair, FUNCTIONS),)

    return propagate


def of_softmax(step: Step) -> Propagation:
    """Propagate through a softmax."""
    axes, weights = axes_of(step.node), _logarithmic_means(step)
    return lambda given, arriving: (slopes.softmax_slopes(arriving[0], weights, axes, FUNCTIONS),)


def of_log_softmax(step: Step) -> Propagation:
    """Propagate through the logarithm of a softmax."""
    axes, weights = axes_of(step.node), _logarithmic_means(step)
    return lambda given, arriving: (slopes.log_softmax_slopes(arriving[0], weights, axes, FUNCTIONS),)


def of_log_sum_exp(step: Step) -> Propagation:
    """Propagate through the logarithm of a sum of exponentials."""
    axes = axes_of(step.node)
    shares = slopes.log_sum_exp_shares(_logarithmic_means(step), axes, FUNCTIONS)
    return lambda given, arriving: (arriving[0].reshape(_kept(shares, axes)) * shares,)


def of_norm(step: Step) -> Propagation | None:
    """Propagate through a fused norm, as through the same norm written by hand; None if its scale moves too."""
    if step.moving != [0]:
        return None
    entered = step.operand()
    shape, statistics, axes, weights = shape_of(step.node)
    mean, inverse = step.saved("result1"), step.saved("result2")
    centred = Ends(*(x.reshape(shape) - m.reshape(statistics) for x, m in zip(entered, mean, strict=True)))
    deviation = Ends(*(1 / one.reshape(statistics).to(entered.at_input.dtype) for one in inverse))

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        scaled = arriving[0] if weights is None else arriving[0] * weights
        found = slopes.normalization_slopes(scaled.reshape(shape), centred, deviation, axes, True, FUNCTIONS)
        return (found.reshape(entered.at_input.shape), *given[1:])

    return propagate


def of_gated_half(step: Step) -> Propagation:
    """Propagate through GLU, the product of the first half and the sigmoid of the second."""
    (axis,) = axes_of(step.node)
    signals, gates = (
        Ends(*halves) for halves in zip(*(one.chunk(2, axis) for one in step.operand()), strict=True)
    )
    opened = Ends(*(one.sigmoid() for one in gates))
    change = gates.at_input - gates.at_baseline
    alike = _are_alike(change)
    slope = (opened.at_input - opened.at_baseline) / torch.where(alike, torch.ones_like(change), change)
    slope = torch.where(alike, opened.at_input * (1 - opened.at_input), slope)

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        both = arriving[0] * opened.middle, arriving[0] * signals.middle * slope
        return (torch.cat(both, axis),)

    return propagate


def _of_one_signal(step: Step, signal: int, plain: Propagation) -> Propagation:
    """Propagate through a function of one value that is written as a product or quotient: all goes to this value."""
    entered, made = step.operand(signal), step.result()
    change, rise = entered.at_input - entered.at_baseline, made.at_input - made.at_baseline
    alike = _are_alike(change)
    slope = rise / torch.where(alike, torch.ones_like(change), change)

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        found = list(plain(given, arriving))
        found[signal] = torch.where(alike, found[signal], arriving[0] * slope)
        found[1 - signal] = torch.where(alike, found[1 - signal], torch.zeros_like(change))
        return tuple(found)

    return propagate


def _logarithmic_means(step: Step) -> Tensor:
    """Give the logarithmic means of the softmax of an operation's operand in both runs."""
    axes, entered = axes_of(step.node), step.operand()
    logarithms = Ends(*(one - one.logsumexp(axes, keepdim=True) for one in entered))
    found: Tensor = slopes.logarithmic_means(logarithms, Ends(*(one.exp() for one in logarithms)), FUNCTIONS)
    return found


def _kept(values: Tensor, axes: Sequence[int]) -> list[int]:
    """Give the shape of a tensor with size one on some axes."""
    shape = list(values.shape)
    for axis in axes:
        shape[axis] = 1
    return shape


def _like(values: Tensor, ends: Ends) -> Tensor:
    """Sum over the axes along which an operand was broadcast."""
    found: Tensor = values.sum_to_size(ends.at_input.shape)
    return found


def _called(node: Any, arriving: tuple[Any, ...]) -> tuple[Any, ...]:
    """Give the gradients that an operation propagates."""
    found = node(*arriving)
    return found if isinstance(found, tuple) else (found,)


def _are_alike(change: Tensor) -> Tensor:
    # Masked values are −∞ in both runs, without a difference.
    least = NO_DIFFERENCE if change.dtype == torch.float64 else NO_SINGLE_DIFFERENCE
    return (change.abs() < least) | change.isnan()
