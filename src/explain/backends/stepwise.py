"""Models that take one step of a sequence at a time: ``forward(input, hidden) -> (output, hidden)``.

An extension recognises them by their signature and runs them over whole, padded sequences.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Container, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from explain.errors import LayoutError, UnsupportedModelError
from explain.inputs.layout import Layout
from explain.inputs.wiring import STATE_NAMES

IF_WHOLE = (
    "If it reads whole sequences, say with which state it starts, by the name of its argument: "
    "forward_kwargs={'hidden': None}, or forward_kwargs={'hidden': model.init_hidden(len(x))}."
)
"""What to do if a model that takes a state does not take one step at a time."""

RUN_STEPWISE = f"The model was run one step at a time, since its call takes a state. {IF_WHOLE}"
"""Why such a model may have raised."""


def is_stepwise(forward: Callable[..., Any], given: Container[str] = ()) -> bool:
    """Tell whether a model's call takes one step and a hidden state, both required.

    Parameters
    ----------
    forward : callable
        ``forward`` of a torch module, ``call`` of a Keras model.
    given : container of str
        Keyword arguments that the caller passes: if a state is among them, the caller supplies it.

    Examples
    --------
    >>> is_stepwise(lambda input, hidden: None), is_stepwise(lambda input, lengths: None)
    (True, False)
    """
    function = getattr(forward, "__func__", forward)
    try:
        required = _known.get(function)
    except TypeError:
        required = None
    if required is None:
        required = _required(forward)
        with suppress(TypeError):
            _known[function] = required
    return len(required) == 2 and required[1] in STATE_NAMES and required[1] not in given


def takes_state(forward: Callable[..., Any]) -> bool:
    """Tell whether the second argument of a model's call is a state, required or not: it then gives the next one too.

    Examples
    --------
    >>> takes_state(lambda x, hidden=None: None), takes_state(lambda x, y, hidden: None)
    (True, False)
    """
    function = getattr(forward, "__func__", forward)
    try:
        names = _with_default.get(function)
    except TypeError:
        names = None
    if names is None:
        names = _positional(forward)
        with suppress(TypeError):
            _with_default[function] = names
    return len(names) > 1 and names[1] in STATE_NAMES


def time_axis_of(layout: Layout) -> int:
    """Give the time axis, batch first.

    Raises
    ------
    LayoutError
        If there is none.
    """
    axis = layout.batch_first.time_axis
    if axis is None:
        raise LayoutError(
            f"layout={layout.axes!r} has no time axis T, but the model takes one step of a sequence at a time: give x "
            f"as (N, T, C), or say which axis is T with layout=. {IF_WHOLE}"
        )
    return axis


def check_single_steps(shape: tuple[int, ...]) -> None:
    """Refuse several examples of a single step in the default layout: it may be one sequence with its steps first.

    Parameters
    ----------
    shape : tuple of int
        The shape of x, whose layout the caller has not stated.

    Raises
    ------
    LayoutError
        If both are possible.
    """
    if len(shape) == 3 and shape[1] == 1 < shape[0]:
        raise LayoutError(
            f"x has shape {shape}, and the model takes one step at a time: give layout='TNC' for one sequence of "
            f"{shape[0]} steps, or layout='NTC' for {shape[0]} sequences of one step."
        )


# Reading a signature takes longer than running a small model.
_known: weakref.WeakKeyDictionary[Any, tuple[str, ...]] = weakref.WeakKeyDictionary()
_beginnings: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()
_with_default: weakref.WeakKeyDictionary[Any, tuple[str, ...]] = weakref.WeakKeyDictionary()


def _required(forward: Callable[..., Any]) -> tuple[str, ...]:
    """Give the names of the positional parameters without a default."""
    return _positional(forward, with_default=False)


def _positional(forward: Callable[..., Any], *, with_default: bool = True) -> tuple[str, ...]:
    """Give the names of the positional parameters, those with a default too if asked."""
    try:
        parameters = inspect.signature(forward).parameters.values()
    except (TypeError, ValueError):
        return ()
    return tuple(
        parameter.name
        for parameter in parameters
        if (with_default or parameter.default is parameter.empty)
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    )


def initial_state(model: Any, count: int, zeros: Callable[[int, int], Any]) -> Any:
    """Give the state before the first step, for `count` examples.

    Parameters
    ----------
    model : object
        Has ``init_hidden(batch_size)``, ``initHidden()`` or ``hidden_size``.
    count : int
        The number of examples N.
    zeros : callable
        Takes N and the hidden size, and gives a tensor of zeros.

    Raises
    ------
    UnsupportedModelError
        If the model defines its initial state in none of these ways.
    """
    for name in ("init_hidden", "initHidden"):
        start = getattr(model, name, None)
        if start is not None:
            return start(count) if _has_parameters(start) else start()
    size = getattr(model, "hidden_size", None)
    if isinstance(size, int):
        return zeros(count, size)
    raise UnsupportedModelError(
        f"model of type {type(model).__name__} takes one step and a hidden state, but does not define its initial "
        f"state: give it an attribute hidden_size or a method init_hidden(batch_size). {IF_WHOLE}"
    )


def _has_parameters(function: Callable[..., Any]) -> bool:
    """Tell whether a function takes any argument; of a method it is read once."""
    plain = getattr(function, "__func__", None)
    if plain is None:
        return bool(inspect.signature(function).parameters)
    found = _beginnings.get(plain)
    if found is None:
        found = _beginnings[plain] = bool(inspect.signature(function).parameters)
    return found


def check_step_result(result: Any) -> None:
    """Raise `UnsupportedModelError` unless a step returned an output and the next state."""
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise UnsupportedModelError(
            "A model that takes one step and a hidden state must return (output, hidden); this one returned "
            f"{type(result).__name__}."
        )


def unrolled(
    step: Callable[[Any, Any], tuple[Any, Any]],
    inputs: Iterable[Any],
    state: Any,
    choose: Callable[[int, Any, Any], Any] | None,
) -> Any:
    """Run a model over a sequence and give its output at the last real step of each example.

    Parameters
    ----------
    step : callable
        From one step's input (N, C) and the state to the explained output and the next state.
    inputs : iterable of tensor
        The steps, in order.
    state : tensor, or nested tuples or lists of tensors
        The state before the first step.
    choose : callable, optional
        From a step's number, a new and an old tensor to the new one where the step is real and the old one where
        it is padding; None if every step is real.

    Examples
    --------
    >>> unrolled(lambda one, total: (total + one, total + one), [1, 2, 3], 0, None)
    6
    """
    explained = None
    for time, one in enumerate(inputs):
        found, following = step(one, state)
        if choose is None or explained is None:
            explained, state = found, following
        else:
            explained = choose(time, found, explained)
            state = map_state(partial(choose, time), following, state)
    return explained


def map_state(function: Callable[..., Any], *states: Any) -> Any:
    """Apply a function to every tensor of a state, or to the corresponding ones of several.

    Examples
    --------
    >>> map_state(lambda one, other: one + other, (1, [2]), (10, [20]))
    (11, [22])
    """
    if isinstance(states[0], (tuple, list)):
        return type(states[0])(map_state(function, *parts) for parts in zip(*states, strict=True))
    return function(*states)
