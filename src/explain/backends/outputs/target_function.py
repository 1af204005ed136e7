"""A callable target: from the outputs of any number of points to one scalar for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from explain.backends.outputs.choice import shown_type
from explain.errors import ExplainError, TargetError
from explain.inputs.naming.brief import message_of

_ONE_AT_A_TIME = (
    "If it uses a value of each example, such as a mask, explain one example at a time, x[i:i+1], with a value that "
    "broadcasts over the rows."
)


def called_target(function: Callable[[Any], Any], outputs: Any) -> Any:
    """Call a callable target.

    Raises
    ------
    TargetError
        If it raises: often because it uses a value of each example, though it gets the outputs of other numbers of
        points.
    """
    try:
        return function(outputs)
    except ExplainError:
        raise
    except Exception as cause:  # The user's code may raise anything.
        raise TargetError(
            f"target, a callable, raised {type(cause).__name__} for {_described(outputs)}: {message_of(cause)}. "
            "It gets the outputs of any number of points, since a method runs an example at many points, so each score "
            f"should depend on its own row of the outputs only{_at_any_point(outputs)}. {_ONE_AT_A_TIME}"
        ) from cause


def not_scalars_error(
    given: object, outputs: Any, what: str = "a tensor", count: int | None = None
) -> TargetError:
    """Give the error for a callable target that gave something else than one scalar per row of the outputs.

    Parameters
    ----------
    given : object
        The shape, or the type, that it gave.
    outputs : tensor or another structure
        What it was called with.
    what : str
        What it should give.
    count : int, optional
        The number of examples, if it is known.
    """
    shape = getattr(outputs, "shape", None)
    count = shape[0] if count is None and shape else count
    return TargetError(
        f"target, a callable, gave {given} for {_described(outputs)}: it should give one scalar per "
        f"example, {what} of shape ({'N' if count is None else count},). {_ONE_AT_A_TIME}"
    )


def check_scalars(
    scores: object,
    shape: Sequence[int | None] | None,
    outputs: Any,
    count: int | None,
    what: str = "a tensor",
) -> None:
    """Refuse what a callable target gave, unless it is one scalar per row of the outputs, also as a column.

    Parameters
    ----------
    scores : object
        What it gave.
    shape : sequence of int or None, optional
        Its shape; None if it is no tensor.
    outputs, count, what
        As for `not_scalars_error`.

    Raises
    ------
    TargetError
        If it is anything else.
    """
    if shape is not None and all(size == 1 for size in shape[1:]):
        # For a single example a scalar without axes will do.
        (rows,) = shape[:1] or (1,)
        if rows in (None, count):
            return
    raise not_scalars_error(type(scores).__name__ if shape is None else tuple(shape), outputs, what, count)


def mixed_target_error(alone: float, within: float) -> TargetError:
    """Give the error for a callable target whose score of an example depends on the other rows of the outputs."""
    return TargetError(
        f"target, a callable, gives the last example the score {within:.6g} in its batch and {alone:.6g} alone: each "
        f"score should depend on its own row of the outputs only. {_ONE_AT_A_TIME}"
    )


def _described(outputs: Any) -> str:
    """Describe what a target was called with."""
    shape = getattr(outputs, "shape", None)
    return f"outputs of type {shown_type(outputs)}" if shape is None else f"outputs of shape {tuple(shape)}"


def _at_any_point(outputs: Any) -> str:
    """Say what a target of a structure should expect: a detector finds nothing at some points."""
    if hasattr(outputs, "shape"):
        return ""
    return " and be a number also where the model finds nothing, such as the sum of no scores, which is 0"
