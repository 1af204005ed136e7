"""The call that gave an attribution, made again for some of its examples: its arguments, and what it warned of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.algorithms.catalogue import find_method
from explain.algorithms.example_warnings import NAMED_EXAMPLES, examples_named
from explain.backends.discovery import extension_for, without_partial
from explain.backends.protocol import Extension
from explain.errors import EvaluationError
from explain.explanation.again.arguments import arguments_of, missing_arguments
from explain.explanation.text.given_text import parts_of_pipeline
from explain.inputs.arrays import to_host
from explain.inputs.layout import Layout
from explain.inputs.wiring import STATE_NAMES
from explain.results.attribution import Attribution

Rows = npt.NDArray[np.intp]

# Arguments that may be a list, or an array of one axis, with an entry for each example.
_BY_EXAMPLE = ("target", "lengths", "baseline")


def arguments_again(
    model: Any, whole: Attribution, part: Attribution, rows: Rows, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Give the arguments of the call for some examples, without ``x``: what is recorded, else what was given.

    Parameters
    ----------
    model : object
        The model, whose framework reads the tensors that were given.
    whole, part : Attribution
        The attribution of N examples, and its M rows that are explained again.
    rows : numpy.ndarray of int
        The example of each of the M rows, shape (M,).
    given : Mapping
        Arguments of `explain.attribute` that the attribution does not record. Of what has one entry for each of the N
        examples, each row gets that of its example.

    Raises
    ------
    EvaluationError
        If an argument is neither recorded nor given.

    Examples
    --------
    >>> a = Attribution(np.ones((2, 3)), np.ones((2, 3)), "NC", "feature_ablation", np.ones(2), target=(4, 5))
    >>> rows = np.array([1, 1, 0])
    >>> again = arguments_again(None, a, a[rows.tolist()], rows, {"feature_mask": np.array([[0, 0, 1], [0, 1, 1]])})
    >>> again["target"], again["feature_mask"].tolist()
    ([5, 5, 4], [[0, 1, 1], [0, 1, 1], [0, 0, 1]])
    """
    recorded = {name: one.value for name, one in arguments_of({"": part}, "one").items()}
    missing = [name for name in missing_arguments({"": part}, "one") if name not in {"x", *given}]
    if missing:
        raise EvaluationError(
            f"attribution does not record {' and '.join(f'{name}=' for name in missing)} of the call that gave it, "
            "without which it cannot be explained again: give to explain.evaluate what explain.attribute was given."
        )
    row = find_method(whole.method)
    count, ndim = len(whole), len(Layout(whole.layout).axes)
    for name, value in given.items():
        if name == "target" and name in recorded:
            # Known by example, whatever the caller gave.
            continue
        if name == "forward_kwargs":
            recorded[name] = _companions(value, rows, count, _extension(model))
        elif name == "baseline" and (name in recorded or row.takes_references):
            recorded.setdefault(name, value)
        else:
            recorded[name] = _taken(name, value, rows, count, ndim)
    # The batch of the first call would be too large, or needlessly small, for another number of examples.
    for name in ("x", "batch_size"):
        recorded.pop(name, None)
    return recorded


def rounds(rows: Rows) -> Iterator[Rows]:
    """Cut rows into rounds, in each of which an example has at most one row: the positions of the rows of each.

    Examples
    --------
    >>> [one.tolist() for one in rounds(np.array([0, 0, 1, 2, 1]))]
    [[0, 2, 3], [1, 4]]
    """
    seen: dict[int, int] = {}
    turn = np.zeros(len(rows), np.intp)
    for position, row in enumerate(rows.tolist()):
        turn[position] = seen.get(row, 0)
        seen[row] = turn[position] + 1
    for number in range(max(seen.values(), default=0)):
        yield np.flatnonzero(turn == number)


def notes_again(notes: Sequence[str], rows: Rows, known: Sequence[str]) -> list[str]:
    """Give the warnings of a call made again, which say that they are, with the examples of the attribution.

    Parameters
    ----------
    notes : sequence of str
        The warnings of the call, which name its own rows.
    rows : numpy.ndarray of int
        The example of each row.
    known : sequence of str
        The warnings of the attribution itself, which are not repeated.

    Examples
    --------
    >>> notes_again(["The map is zero for examples [1, 2, 5].", "Known."], np.array([0, 0, 0, 1, 1, 1]), ["Known."])
    ['When it was explained again: The map is zero for examples [0, 1].']
    """

    def renumbered(found: Any) -> str:
        own = sorted({int(rows[int(one)]) for one in found.group(1).split(",") if int(one) < len(rows)})
        return f"{found.group()[0]}{examples_named(own)[1:]}"

    return [
        f"When it was explained again: {NAMED_EXAMPLES.sub(renumbered, note)}"
        for note in notes
        if note not in known
    ]


def _extension(model: Any) -> Extension:
    return extension_for(without_partial(parts_of_pipeline(model)[0], None)[0])


def _companions(given: Mapping[str, Any], rows: Rows, count: int, extension: Extension) -> dict[str, Any]:
    """Give the arguments of the model for some rows, as `attribute` tells those with one row for each example."""
    return {
        name: _state(value, rows, count, extension)
        if name in STATE_NAMES
        else _along(value, rows, count, 0, extension)
        for name, value in given.items()
    }


def _state(value: Any, rows: Rows, count: int, extension: Extension) -> Any:
    """Give a state of recurrent layers, (layers, N, H) or (N, H), or several, for some rows."""
    if type(value) in (tuple, list):
        return type(value)(_state(one, rows, count, extension) for one in value)
    host = to_host(value, extension)
    of_layers = host is not None and host.ndim == 3 and host.shape[1] == count
    return _along(value, rows, count, 1 if of_layers else 0, extension)


def _along(value: Any, rows: Rows, count: int, axis: int, extension: Extension) -> Any:
    host = to_host(value, extension)
    if host is None or host.ndim <= axis or host.shape[axis] != count:
        return value
    return host.take(rows, axis=axis)


def _taken(name: str, value: Any, rows: Rows, count: int, ndim: int) -> Any:
    """Give the entries of some rows of what has one for each example; anything else is for all."""
    by_example = name in _BY_EXAMPLE
    if isinstance(value, list) and by_example:
        return [value[row] for row in rows.tolist()] if len(value) == count else value
    array = np.asarray(value) if name == "feature_mask" else value
    shape = tuple(getattr(array, "shape", ()))
    # Fewer axes than the input has are those of one example.
    if len(shape) not in ((1, ndim) if by_example else (ndim,)) or int(shape[0]) != count:
        return value
    return np.asarray(array)[rows]
