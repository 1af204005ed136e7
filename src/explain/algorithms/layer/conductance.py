"""Conductance: how much of the score flows through the units of a layer."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from explain.algorithms.completeness import baselines_of, convergence_warnings, found_with_delta
from explain.algorithms.example_warnings import zero_gradient_warnings
from explain.algorithms.method import Method
from explain.algorithms.options import one_of, whole_number
from explain.backends.found import Found
from explain.inputs.examples import Array, Target
from explain.inputs.target import picked
from explain.running.expansion import StraightPath, expanded_block
from explain.running.layer_view import layered
from explain.running.paths.quadrature import RULES, nodes_and_weights
from explain.running.problem import Problem

_REMEDY = (
    "Raise n_steps until it falls; if it does not, a part of the score reaches the output past the layer, on a skip "
    "connection or a second branch."
)


def conductance(problem: Problem) -> Found:
    """Attribute the change of the score along a straight path of the input to the units of a layer.

    Dhamdhere, Sundararajan & Yan, *How important is a neuron?*, arXiv:1805.12233. For each step of the path,
    a unit gets the gradient of the score to it at the start of the step, times its own change over the step.
    With a neuron: how much of that unit's conductance comes from each input.
    """
    if problem.neuron is not None:
        return _through_neuron(problem, problem.neuron)
    outer, call = problem.outer, problem.call
    assert outer is not None, "the problem of a layer method is posed at the layer"
    assert call is not None, "the problem of a layer method is posed at the layer"
    backend = layered(outer)
    examples = outer.examples
    # Steps lie between points: one point more than steps.
    alphas, _ = _nodes(problem.options["rule"], problem.options["n_steps"] + 1, backend.dtype)
    path = _path(outer, alphas)
    values = np.zeros(problem.examples.inputs[0].shape, np.float64)
    before: dict[int, tuple[Array, Array]] = {}

    def compute(rows: slice, points: slice) -> tuple[Array, Array]:
        return backend.units_and_gradients(call, expanded_block(examples, path, rows, points))

    over = problem.executor.over_blocks(len(examples), len(alphas), compute, in_rows=outer.in_rows)
    for rows, points, (units, gradients) in over:
        shape = (rows.stop - rows.start, -1, *units.shape[1:])
        by_step, slopes = units.reshape(shape), gradients.reshape(shape)
        steps = np.subtract(by_step[:, 1:], by_step[:, :-1], dtype=np.float64)
        steps *= slopes[:, :-1]
        values[rows] += steps.sum(axis=1)
        for place, row in enumerate(range(rows.start, rows.stop)):
            if row in before:
                # The path of an example is split over several blocks.
                unit, slope = before.pop(row)
                values[row] += slope * (by_step[place, 0] - unit)
            if points.stop < len(alphas):
                before[row] = by_step[place, -1].astype(np.float64), slopes[place, -1]
    return found_with_delta(
        problem,
        (values,),
        outer.scores_at(baselines_of(outer)),
        lambda relative_delta: convergence_warnings(relative_delta, _REMEDY),
    )


def _through_neuron(problem: Problem, neuron: Target) -> Found:
    """Integrate, along the straight path, the gradient of the score to a unit times that of the unit to the input.

    The paper's equation 2; its sum over the inputs is the unit's conductance, up to the integral's error.
    """
    call, indices = problem.call, neuron.indices
    assert call is not None, "a neuron is a unit of a layer"
    assert indices is not None, "a neuron is named by its indices"
    backend, examples = layered(problem), problem.examples
    before = backend.until(call)
    alphas, weights = _nodes(problem.options["rule"], problem.options["n_steps"], backend.dtype)
    path = _path(problem, alphas)
    totals = tuple(np.zeros(one.shape) for one in examples.inputs)

    def compute(rows: slice, points: slice) -> tuple[Array, tuple[Array, ...]]:
        every = np.arange(rows.start, rows.stop).repeat(points.stop - points.start)
        moved = expanded_block(examples, path, rows, points)
        _, to_units = backend.units_and_gradients(call, moved)
        slopes = picked(to_units, indices[every]).reshape(rows.stop - rows.start, -1) * weights[points]
        return slopes, before.gradients(moved.with_target(Target(indices[every])))[0]

    over = problem.executor.over_blocks(len(examples), len(alphas), compute, in_rows=problem.in_rows)
    for rows, _, (slopes, to_inputs) in over:
        for total, found in zip(totals, to_inputs, strict=True):
            by_step = found.reshape(*slopes.shape, *found.shape[1:])
            total[rows] += np.einsum("np,np...->n...", slopes.astype(np.float64), by_step)
    return Found(
        values=tuple(step * total for step, total in zip(path.differences, totals, strict=True)),
        warnings=zero_gradient_warnings(totals),
    )


@lru_cache(maxsize=32)
def _nodes(rule: str, count: int, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Give the nodes and weights of a rule, computed once: for a small model that takes as long as a run."""
    found = nodes_and_weights(rule, count, dtype)
    for array in found:
        array.flags.writeable = False
    return found


def _path(problem: Problem, alphas: Array) -> StraightPath:
    starts = baselines_of(problem)
    ends = problem.examples.inputs
    return StraightPath(starts, tuple(end - start for end, start in zip(ends, starts, strict=True)), alphas)


ROWS = (
    Method(
        conductance,
        aliases=("layer_conductance", "neuron_conductance"),
        summary="How much of the score's change from the baseline flows through each unit of a layer.",
        paper="Dhamdhere, Sundararajan & Yan 2018, arXiv:1805.12233",
        needs=frozenset({"outputs", "gradients", "layers"}),
        options=(
            whole_number("n_steps", 50, 1, "Number of steps along the path of the input."),
            one_of("rule", "gauss_legendre", RULES, "Rule of integration; steps go from node to node."),
        ),
        begins_with="units",
        uses_baseline=True,
        layer="must",
        through_neuron=True,
    ),
)
