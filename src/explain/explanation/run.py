"""The third step of a call: the method or a reference engine solves the posed problem."""

from __future__ import annotations

from explain.backends.found import Found
from explain.errors import GradientError, ModelCallError
from explain.explanation.each_input import Explained, each_input, each_layer
from explain.explanation.posed import Posed
from explain.explanation.several_inputs import SeveralInputs
from explain.explanation.unused import unused_reason_of
from explain.running.problem import Problem


def run(posed: Posed) -> tuple[Explained, ...]:
    """Run a posed problem; give one entry for each of several inputs, else a single entry."""
    request, view = posed.request, posed.view

    def solve(problem: Problem) -> Found:
        try:
            if request.engine == request.extension.reference_engine:
                return request.extension.run_reference_engine(view.separate(problem))
            return request.method.function()(problem)
        except GradientError as cause:
            reason = unused_reason_of(problem, of_map=request.method.layer == "map")
            if reason is None:
                raise
            raise GradientError(reason) from cause

    try:
        if posed.own_layers:
            return tuple(each_layer(request, posed.own_layers, solve))
        if isinstance(view, SeveralInputs) and not posed.is_of_layer:
            return tuple(each_input(request, view, posed.problem, solve))
        found = solve(posed.problem)
    except ModelCallError as error:
        # The model takes x itself: the problem was posed there.
        cause, name = error.__cause__, request.method.name
        # What a function asks over a network or of a file may fail at any point.
        if cause is None or isinstance(cause, OSError):
            raise
        raise ModelCallError(
            f"The model takes x, but raised {type(cause).__name__} at a point that {name} makes from it: "
            f"{str(cause).rstrip().removesuffix('.')}. If x has token ids or class numbers, which cannot change "
            "gradually, give them as whole numbers, as an input of their own, or take a method whose points have only "
            "values of x and of the baseline, such as feature_ablation."
        ) from cause
    return (Explained(request.given.as_one, posed.problem, found, found.warnings, view.tokens),)
