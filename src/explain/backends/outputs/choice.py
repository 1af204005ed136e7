"""Which of a model's outputs is explained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from explain.errors import ScoreError, SeveralOutputsError
from explain.inputs.naming.brief import brief


def pick_output(
    output: Any,
    wanted: int | str | None,
    names: Sequence[str] = (),
    is_tensor: Callable[[Any], bool] | None = None,
) -> Any:
    """Pick one of a model's outputs, by position or by name.

    Parameters
    ----------
    output : object
        All that the model returned.
    wanted : int or str, optional
        The position or the name of an output.
    names : sequence of str
        The names that the model gives to a list of outputs; a dict and a named tuple have their own.
    is_tensor : callable, optional
        Tells whether an output is a tensor, which alone can be explained; None if every output can.

    Raises
    ------
    ScoreError
        If the chosen output does not exist or is not a tensor.
    SeveralOutputsError
        If none is chosen, and there are several, or none is a tensor.

    Examples
    --------
    >>> pick_output({"class": 1, "box": 2}, "box")
    2
    >>> pick_output([1, 2], "box", names=["class", "box"])
    2
    """
    explainable = is_tensor or (lambda value: True)
    if not (hasattr(output, "keys") or isinstance(output, (list, tuple))):
        if wanted is not None and wanted != 0:
            raise ScoreError(f"output={brief(wanted)}: the model returns a single output; leave output out.")
        if explainable(output):
            return output
        raise _no_tensor_error(output, "it", wanted)
    if hasattr(output, "keys"):
        keys: list[Any] = list(output.keys())
        values = [output[key] for key in keys]
    else:
        own = getattr(output, "_fields", names)
        # Names are unique, or they are no names.
        keys = list(own) if len(own) == len(set(own)) == len(output) else []
        values = list(output)
    fitting = [place for place, value in enumerate(values) if explainable(value)]
    if not fitting:
        raise _no_tensor_error(output, "each output", wanted)
    chosen = 0 if wanted is None and len(values) == 1 else _place_of(wanted, keys, len(values))
    if wanted is None and chosen is None and _has_logits(output, keys):
        chosen = keys.index("logits")
    if chosen in fitting:
        return values[chosen]
    if keys:
        given = f"one of {[keys[place] for place in fitting]}, or its position"
    elif len(fitting) == len(values):
        given = f"the position of one, from 0 to {len(values) - 1}"
    else:
        given = f"one of the positions {fitting}"
    if wanted is None:
        raise SeveralOutputsError(
            f"output={brief(wanted)}: the model returns {len(values)} outputs, of which one is explained: give "
            f"{given}; or a callable target, from all outputs to one number an example."
        )
    which = "there is no such output" if chosen is None else f"this one is a {type(values[chosen]).__name__}"
    raise ScoreError(
        f"output={brief(wanted)}: the model returns {len(values)} outputs, and {which}; give {given}."
    )


def _has_logits(output: Any, keys: Sequence[Any]) -> bool:
    """Tell whether one output of a model of ``transformers`` is its logits: the others are hidden states and caches."""
    named = [key for key in keys if "logits" in str(key)]
    return named == ["logits"] and any(base.__name__ == "ModelOutput" for base in type(output).__mro__)


def _place_of(wanted: int | str | None, keys: Sequence[Any], count: int) -> int | None:
    """Give the position of an output by its position or name; None if there is no such output."""
    if wanted is not None and wanted in keys:
        return keys.index(wanted)
    if isinstance(wanted, int) and not isinstance(wanted, bool) and -count <= wanted < count:
        return wanted % count
    return None


def _no_tensor_error(output: Any, what: str, wanted: int | str | None) -> ScoreError:
    """Say that a model returns no tensor that `output=` could choose, and what to do."""
    kind = SeveralOutputsError if wanted is None else ScoreError
    return kind(
        f"The model returns a {shown_type(output)}: {what} should be a tensor with one row per example, and output= "
        "cannot choose inside another structure. Leave output out and give target= a function from all that the model "
        "returns to one number an example, for example the sum of the scores of each picture's boxes."
    )


def shown_type(value: Any) -> str:
    """Give the type of a structure and of what it holds, for example ``"list of dict"``.

    Examples
    --------
    >>> shown_type([{"boxes": 1}]), shown_type(3)
    ('list of dict', 'int')
    """
    inner = (
        value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    )
    types = sorted({type(one).__name__ for one in inner})
    return type(value).__name__ + (f" of {' and '.join(types)}" if types else "")
