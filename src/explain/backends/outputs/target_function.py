"""A callable target: from the outputs of any number of points to one scalar for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from explain.errors import ExplainError, TargetError

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
            f"target, a callable, raised {type(cause).__name__} for outputs of shape {tuple(outputs.shape)}: {cause}. "
            "It gets the outputs of any number of points, since a method runs an example at many points, so each score "
            f"should depend on its own row of the outputs only. {_ONE_AT_A_TIME}"
        ) from cause


def not_scalars_error(given: object, outputs: Sequence[int | None], what: str = "a tensor") -> TargetError:
    """Give the error for a callable target that gave something else than one scalar per row of the outputs.

    Parameters
    ----------
    given : object
        The shape, or the type, that it gave.
    outputs : sequence of int or None
        The shape of the outputs.
    what : str
        What it should give.
    """
    count = "N" if outputs[0] is None else outputs[0]
    return TargetError(
        f"target, a callable, gave {given} for outputs of shape {tuple(outputs)}: it should give one scalar per "
        f"example, {what} of shape ({count},). {_ONE_AT_A_TIME}"
    )


def check_scalars(
    scores: object, shape: Sequence[int | None] | None, outputs: Sequence[int | None], what: str = "a tensor"
) -> None:
    """Refuse what a callable target gave, unless it is one scalar per row of the outputs, also as a column.

    Parameters
    ----------
    scores : object
        What it gave.
    shape : sequence of int or None, optional
        Its shape; None if it is no tensor.
    outputs, what
        As for `not_scalars_error`.

    Raises
    ------
    TargetError
        If it is anything else.
    """
    is_column = shape is not None and len(shape) > 0 and all(size == 1 for size in shape[1:])
    if shape is None or not is_column or shape[0] not in (None, outputs[0]):
        raise not_scalars_error(type(scores).__name__ if shape is None else tuple(shape), outputs, what)


def mixed_target_error(alone: float, within: float) -> TargetError:
    """Give the error for a callable target whose score of an example depends on the other rows of the outputs."""
    return TargetError(
        f"target, a callable, gives the last example the score {within:.6g} in its batch and {alone:.6g} alone: each "
        f"score should depend on its own row of the outputs only. {_ONE_AT_A_TIME}"
    )
