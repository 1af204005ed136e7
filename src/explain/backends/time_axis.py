"""Which axis of a layer's output has the examples, seen from its sizes for different numbers of examples."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Mapping, Sequence

from explain.errors import LayoutError
from explain.inputs.layer_calls import RecordedCall
from explain.inputs.layout import Layout
from explain.inputs.wiring import Wiring

# The sizes of the axis of the examples for one example and for two: of a run, or left open in a trace.
_OF_EXAMPLES = ((1, 2), (None, None))


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
