"""The parts of backward passes with a rule that are the same in every framework."""

from __future__ import annotations

NO_DIFFERENCE, NO_SINGLE_DIFFERENCE = 2.0**-26, 2.0**-11
"""Below this difference, in double and in single precision, the gradient is used instead of a slope.

It is the square root of the precision. Below it, a quotient of two rounded differences is less accurate than
the gradient. Captum has 1e-10, in single precision too.
"""


def no_rule_reason(method: str, operation: str, kind: str, ways: int, model_name: str, hint: str = "") -> str:
    """Give the message for an operation without a rule, with what to do.

    Parameters
    ----------
    method : str
        The method in words.
    operation, kind : str
        The operation and its place, and the name of its kind.
    ways : int
        The number of its operands that depend on the input.
    model_name : str
        The model.
    hint : str
        Another remedy.
    """
    several = f", of {ways} tensors that all depend on the input," if ways > 1 else ""
    remedy = (
        "It has no derivative either: use feature_ablation or occlusion, which need no gradients."
        if kind.endswith("NotImplemented")
        else "Use integrated_gradients, saliency or feature_ablation, which need no rules."
    )
    return (
        f"{method} has no rule for the operation {operation}{several} of {model_name}, through which the score "
        f"depends on the input; treated as linear, it would make the values wrong.{hint} {remedy}"
    )
