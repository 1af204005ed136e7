"""Captum as a reference engine: it computes the same problem with the library that PyTorch users know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from explain.algorithms.completeness import scores_at_baseline
from explain.algorithms.example_warnings import zero_gradient_warnings
from explain.algorithms.path.integral import Integral
from explain.algorithms.path.integrated_gradients import with_convergence
from explain.algorithms.path.integration import FIXED_RULE, fixed_steps
from explain.algorithms.path.own_nodes import RULE
from explain.backends.found import Found
from explain.errors import EngineError, FrameworkNotInstalledError
from explain.inputs.examples import Array, Examples
from explain.running.problem import Problem
from explain.torch_ext.backend import TorchBackend

# Captum's own default; "auto" means this number for the engine.
_STEPS = 50
_RULES = {
    "gauss_legendre": "gausslegendre",
    "midpoint": "riemann_middle",
    "riemann_left": "riemann_left",
    "riemann_right": "riemann_right",
}


def run(problem: Problem) -> Found:
    """Run a problem in Captum, a chunk of examples at a time.

    Raises
    ------
    EngineError
        If Captum does not support these options, or computes wrong numbers for them.
    """
    try:
        import captum.attr
    except ImportError as cause:
        raise FrameworkNotInstalledError(
            f"Captum cannot be imported ({cause}): install it with pip install 'explain-toolkit[torch]'."
        ) from cause
    if problem.method == "saliency":
        gradients = _in_chunks(problem, lambda rows: _saliency(captum.attr, problem, rows))
        return Found(values=gradients, warnings=zero_gradient_warnings(gradients))
    if problem.method == "input_x_gradient":
        return Found(values=_in_chunks(problem, lambda rows: _input_x_gradient(captum.attr, problem, rows)))
    if problem.options["nodes"] is not None or problem.options["rule"] == RULE:
        raise EngineError(
            "engine='captum' takes no nodes of each example's own: give n_steps a number and leave nodes and "
            f"rule={RULE!r} out, or use engine='explain'."
        )
    rule = problem.options["rule"] or FIXED_RULE
    steps = fixed_steps(problem.options, len(problem.examples), _STEPS)
    n_steps = int(steps[0])
    if (steps != n_steps).any():
        raise EngineError(
            "engine='captum' takes one number of steps for all examples: give n_steps one number, or use "
            "engine='explain'."
        )
    if rule not in _RULES:
        raise EngineError(
            f"engine='captum' with rule={rule!r}: the weights of Captum's riemann_trapezoid sum to (n − 1)/n, so its "
            f"values are too small. Use one of {', '.join(map(repr, _RULES))}, or engine='explain'."
        )
    if rule != "gauss_legendre" and n_steps < 2:
        raise EngineError(
            f"engine='captum' with rule={rule!r} needs at least 2 steps: raise n_steps, or use "
            "engine='explain'."
        )
    values = _in_chunks(
        problem, lambda rows: _integrated_gradients(captum.attr, problem, rows, _RULES[rule], n_steps)
    )
    return with_convergence(problem, values, Integral((), steps.copy(), rule), scores_at_baseline(problem))


def _saliency(captum: Any, problem: Problem, rows: slice) -> tuple[Tensor, ...]:
    backend, examples = _opened(problem), problem.examples.rows(rows)
    points = tuple(point.requires_grad_() for point in backend.tensors(examples.inputs))
    found: tuple[Tensor, ...] = captum.Saliency(_forward(backend, examples)).attribute(points, abs=False)
    return found


def _input_x_gradient(captum: Any, problem: Problem, rows: slice) -> tuple[Tensor, ...]:
    backend, examples = _opened(problem), problem.examples.rows(rows)
    points = tuple(point.requires_grad_() for point in backend.tensors(examples.inputs))
    found: tuple[Tensor, ...] = captum.InputXGradient(_forward(backend, examples)).attribute(points)
    return found


def _integrated_gradients(
    captum: Any, problem: Problem, rows: slice, rule: str, n_steps: int
) -> tuple[Tensor, ...]:
    backend, examples = _opened(problem), problem.examples.rows(rows)
    assert problem.baselines is not None
    found: tuple[Tensor, ...] = captum.IntegratedGradients(_forward(backend, examples)).attribute(
        backend.tensors(examples.inputs),
        baselines=backend.tensors(tuple(base[rows] for base in problem.baselines)),
        n_steps=n_steps,
        method=rule,
        internal_batch_size=max(problem.executor.size, len(examples)),
    )
    return found


def _forward(backend: TorchBackend, examples: Examples) -> Callable[..., Tensor]:
    """Give the function that Captum calls for scores; it receives expanded examples, one chunk at a time."""
    count, seen = len(examples), 0

    def scores(*points: Tensor) -> Tensor:
        # Captum expands step by step, with all examples of a step together, and splits the result into chunks in
        # order.
        nonlocal seen
        rows = (seen + np.arange(len(points[0]))) % count
        seen += len(points[0])
        return backend.scores_of(points, examples.rows(rows))

    return scores


def _in_chunks(problem: Problem, run: Callable[[slice], tuple[Tensor, ...]]) -> tuple[Array, ...]:
    parts = [found for _, found in problem.executor.over_rows(len(problem.examples), run)]
    return tuple(
        np.concatenate([tensor.detach().cpu().numpy() for tensor in one]) for one in zip(*parts, strict=True)
    )


def _opened(problem: Problem) -> TorchBackend:
    assert isinstance(problem.backend, TorchBackend)
    return problem.backend
