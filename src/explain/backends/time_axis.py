"""Where the examples are in a layer's output: on which axis, in which rows.

Seen from its sizes for different numbers of examples, and from what changes with one of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from explain.errors import ExplainError, LayoutError
from explain.inputs.examples import Array, Examples
from explain.inputs.layer_calls import Fold, LayerCall, RecordedCall
from explain.inputs.layout import Layout
from explain.inputs.wiring import Wiring

# The sizes of the axis of the examples for one example and for two: of a run, or left open in a trace.
_OF_EXAMPLES = ((1, 2), (None, None))

_Recorded = Callable[[Sequence[LayerCall], Examples], tuple[Array, ...]]


def batch_axes(of_one: Sequence[RecordedCall], of_two: Sequence[RecordedCall], usual: int) -> list[int]:
    """Give the axis of the examples in each recorded output: the only one with two for two examples.

    Parameters
    ----------
    of_one, of_two : sequence of RecordedCall
        The calls of a model's layers for one example and for two.
    usual : int
        The axis where the sizes do not tell: that of x, for an output with more than two axes.

    Examples
    --------
    >>> batch_axes([("rnn", (5, 1, 3)), ("out", (1, 3))], [("rnn", (5, 2, 3)), ("out", (2, 3))], 1)
    [1, 0]
    """
    if [name for name, _ in of_one] != [name for name, _ in of_two]:
        of_two = of_one
    return [_axis_of_examples(one, two, usual) for (_, one), (_, two) in zip(of_one, of_two, strict=True)]


def _axis_of_examples(one: Sequence[int | None], two: Sequence[int | None], usual: int) -> int:
    found = [axis for axis, sizes in enumerate(zip(one, two, strict=False)) if sizes in _OF_EXAMPLES]
    if len(found) == 1:
        return found[0]
    return usual if len(one) > 2 else 0


def runs_along_examples(
    over_time: Mapping[str, int],
    steps: Container[int | None],
    recorded: Sequence[RecordedCall],
    again: Callable[[int], Sequence[RecordedCall]],
) -> str | None:
    """Name a layer that takes the examples for time steps: where it expects examples, its output has the steps.

    Parameters
    ----------
    over_time : Mapping of str to int
        The layers that go over time steps, each with the axis on which it expects the examples.
    steps : container of int
        The numbers of steps of the inputs.
    recorded : sequence of RecordedCall
        The calls of the model's layers for one example.
    again : callable
        From a number of examples to the calls for as many.

    Examples
    --------
    >>> runs_along_examples({"rnn": 1}, {7}, [("rnn", (1, 7, 3))], lambda count: [("rnn", (count, 7, 3))])
    'rnn'
    """

    def doubtful(calls: Sequence[RecordedCall]) -> list[str]:
        return [name for name, sizes in calls if name in over_time and sizes[over_time[name]] in steps]

    names = doubtful(recorded)
    if not names:
        return None
    # One example of one step, and steps folded into the batch, look the same: another number of examples tells.
    count = next(number for number in itertools.count(2) if number not in steps)
    return next((name for name in doubtful(again(count)) if name in names), None)


def time_axis_error(name: str, kind: str, layout: Layout, wiring: Wiring | None) -> LayoutError:
    """Give the error for a layer that takes the examples for time steps.

    Parameters
    ----------
    name, kind : str
        The layer's name in the model, and its class.
    layout : Layout
        The layout in which it does.
    wiring : Wiring, optional
        How the model is called with several inputs.
    """
    other = Layout(layout.axes.translate(str.maketrans("NT", "TN")))
    for_each = "" if wiring is None else ", in a tuple with one layout for each input"
    return LayoutError(
        f"By layout={layout.axes!r} the {kind} {name!r} of the model would run along the examples instead of the time "
        f"steps. Give layout={other.axes!r}{for_each}, and x of shape ({', '.join(other.axes)}) as the model takes it."
    )


def with_examples(
    calls: Sequence[LayerCall],
    doubtful: Sequence[int],
    examples: Examples,
    fixed_batch_size: int | None,
    recorded: _Recorded,
) -> tuple[LayerCall, ...]:
    """Give calls with the place of each example in their outputs.

    Parameters
    ----------
    calls : sequence of LayerCall
        All calls of the model.
    doubtful : sequence of int
        The indices of those whose output for one example does not have one row.
    examples : Examples
        The examples; the first is used.
    fixed_batch_size : int, optional
        The only batch size that the model takes.
    recorded : callable
        Gives the outputs of calls for some examples, from one run of the model.
    """
    found = list(calls)
    if not doubtful:
        return tuple(found)
    for index in doubtful:
        found[index] = replace(calls[index], has_examples=False)
    sizes = {size for index in doubtful for size in calls[index].shape}
    count = fixed_batch_size or next(number for number in itertools.count(2) if number not in sizes)
    same = examples.rows(np.zeros(count, np.intp))
    # Where the model does not take stretched numbers, such as ids, it may take the same ones in another order. Ids that
    # no method moves are changed last: a mask of theirs may not fit them then.
    for how in ({"stretched": True}, {"stretched": False}, {"stretched": False, "ids": True}):
        left = [index for index in doubtful if not found[index].has_examples]
        if not left or ("ids" in how and not any(one.dtype.kind in "iu" for one in examples.unmoved)):
            break
        few = [calls[index] for index in left]
        with suppress(ExplainError):
            other = same.with_changed(np.arange(count) == count - 1, **how)
            for index, before, after in zip(left, recorded(few, same), recorded(few, other), strict=True):
                found[index] = _with_examples(calls[index], before, after, count)
    return tuple(found)


def _with_examples(call: LayerCall, before: Array, after: Array, count: int) -> LayerCall:
    """Give a call with the place of each example, from its outputs before and after the last one changes."""
    unknown = replace(call, has_examples=False)
    if before.shape != after.shape or not before.size:
        return unknown
    changes = before != after
    readings = [axis for axis in range(1, before.ndim) if _is_only_last(changes, axis, count)]
    rows = len(before) // count
    folds = [
        Fold(rows, blocks)
        for blocks in range(1, rows + 1)
        if rows % blocks == 0 and rows * count == len(before) and _is_only_last_of(changes, count, blocks)
    ]
    if len(readings) + len(folds) != 1:
        return unknown
    if folds:
        return replace(call, fold=folds[0], shape=(rows, *call.shape))
    shape = (*before.shape[: readings[0]], *before.shape[readings[0] + 1 :])
    return replace(call, batch_axis=readings[0], shape=shape)


def _is_only_last(changes: Array, axis: int, count: int) -> bool:
    """Tell whether an axis has the examples: its last place changed, and no other."""
    places = np.asarray(np.moveaxis(changes, axis, 0).reshape(changes.shape[axis], -1).any(axis=1))
    return len(places) == count and bool(places[-1]) and not places[:-1].any()


def _is_only_last_of(changes: Array, count: int, blocks: int) -> bool:
    """Tell whether rows of the last example changed, and no other, if there are as many blocks of all examples."""
    table = np.asarray(changes.reshape(blocks, count, -1).any(axis=(0, 2)))
    return bool(table[-1]) and not table[:-1].any()
