"""What backward passes with a rule share in every framework: when two values are alike, and what is refused."""

from __future__ import annotations

NO_DIFFERENCE, NO_SINGLE_DIFFERENCE = 2.0**-26, 2.0**-11
"""Below so large a difference, in double and in single precision, the gradient is taken instead of a slope.

It is the root of the precision, below which a quotient of two rounded differences says less than the gradient does.
Captum has 1e-10, in single precision too.
"""


def no_rule_reason(method: str, operation: str, kind: str, ways: int, model_name: str, hint: str = "") -> str:
    """Say that an operation has no rule, and what to do.

    Parameters
    ----------
    method : str
        The method in words.
    operation, kind : str
        Which operation it is and where, and the name of its kind.
    ways : int
        How many of its operands depend on the input.
    model_name : str
        The model.
    hint : str
        What else may help.
    """
    several = f", of {ways} tensors that all depend on the input," if ways > 1 else ""
    if kind in ("Softmax", "LogSoftmax"):
        hint = " Explain the logit: score='logit'."
    return (
        f"{method} has no rule for the operation {operation}{several} of {model_name}, through which the score "
        f"depends on the input; taken for linear, it would make the values wrong.{hint} Use integrated_gradients, "
        "which needs no rules."
    )
