"""How a model is called: the source and the name of each of several inputs, and states among its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from explain.inputs.arrays import TensorReader, to_host
from explain.inputs.examples import Array


@dataclass(frozen=True)
class Wiring:
    """The source and the name of each input of a model.

    Parameters
    ----------
    sources : tuple of (bool, int) or None
        For each input: whether it is a moved input or a fixed one, and its position among these. None for an
        input that is None.
    batch_axes : tuple of int
        The batch axis of each input, as the model takes it.
    names : tuple of str, optional
        The names of the inputs; None if they are passed by position.

    Examples
    --------
    >>> wiring = Wiring(((True, 0), None, (False, 0)), (0, 0, 0))
    >>> wiring.arranged(["x"], ["mask"], lambda tensor, axis: tensor)
    ['x', None, 'mask']
    """

    sources: tuple[tuple[bool, int] | None, ...]
    batch_axes: tuple[int, ...]
    names: tuple[str, ...] | None = None

    def arranged(
        self, moved: Sequence[Any], unmoved: Sequence[Any], lay_out: Callable[[Any, int], Any]
    ) -> list[Any]:
        """Give the inputs in the model's order; `lay_out` moves the batch axis from the front to another position."""
        found: list[Any] = []
        for source, axis in zip(self.sources, self.batch_axes, strict=True):
            if source is None:
                found.append(None)
                continue
            is_moved, place = source
            tensor = (moved if is_moved else unmoved)[place]
            found.append(lay_out(tensor, axis) if axis else tensor)
        return found

    def arguments(self, inputs: Sequence[Any], *, as_one: bool) -> tuple[list[Any], dict[str, Any]]:
        """Give positional and keyword arguments; `as_one` for a model that takes all inputs as one argument.

        Examples
        --------
        >>> Wiring((), (0, 0), ("a", "b")).arguments([1, 2], as_one=False)
        ([], {'a': 1, 'b': 2})
        >>> Wiring((), (0, 0)).arguments([1, 2], as_one=True)
        ([[1, 2]], {})
        """
        if self.names is None:
            return ([list(inputs)], {}) if as_one else (list(inputs), {})
        by_name = dict(zip(self.names, inputs, strict=True))
        return ([by_name], {}) if as_one else ([], by_name)

    def passed_to(
        self, model: Any, inputs: Sequence[Any], keywords: Collection[str]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Give the arguments of a model beside some keywords: one mapping if it cannot take inputs by their names."""
        as_one = self.names is not None and takes_one_mapping(model, self.names, keywords)
        return self.arguments(inputs, as_one=as_one)


def inputs_and_wiring(x: Any) -> tuple[Sequence[Any], Wiring | None]:
    """Give the inputs of a model one by one, and how it is called with them if there are several.

    Examples
    --------
    >>> inputs_and_wiring({"a": 1, "b": 2})
    ([1, 2], Wiring(sources=(), batch_axes=(0, 0), names=('a', 'b')))
    """
    if isinstance(x, Mapping):
        return list(x.values()), Wiring((), (0,) * len(x), tuple(x))
    if isinstance(x, tuple):
        return list(x), Wiring((), (0,) * len(x))
    return [x], None


STATE_NAMES = frozenset({"hidden", "hidden_state", "state", "states", "hx", "h"})
"""How learners call a state, such as the first hidden state of a recurrent layer."""


@dataclass(frozen=True)
class State:
    """A keyword argument of a model whose tensors have the examples on some axis.

    Parameters
    ----------
    name : str
        The name of the argument.
    axes : tuple of int
        The axis of the examples in each tensor: recurrent layers of PyTorch have their layers before it.
    kind : str, optional
        ``"tuple"`` or ``"list"``; None for a single tensor.
    """

    name: str
    axes: tuple[int, ...]
    kind: str | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """The names under which the tensors go with the examples."""
        return tuple(f"{self.name}[{place}]" for place in range(len(self.axes)))

    def put_together(
        self, keywords: Mapping[str, Any], moved: Callable[[Any, int, int], Any]
    ) -> dict[str, Any]:
        """Give keyword arguments with the state in place of its tensors; `moved` moves an axis of a tensor.

        Examples
        --------
        >>> given = {"h[0]": np.zeros((5, 1, 3)), "scale": 2}
        >>> State("h", (1,)).put_together(given, np.moveaxis)["h"].shape
        (1, 5, 3)
        """
        found = {name: value for name, value in keywords.items() if name not in self.parts}
        tensors = [
            moved(keywords[part], 0, axis) if axis else keywords[part]
            for part, axis in zip(self.parts, self.axes, strict=True)
        ]
        whole: Any = tuple(tensors) if self.kind == "tuple" else tensors
        found[self.name] = tensors[0] if self.kind is None else whole
        return found


def split_states(
    forward_kwargs: Mapping[str, Any] | None, count: int, extension: TensorReader
) -> tuple[tuple[State, ...], dict[str, Array], Mapping[str, Any] | None]:
    """Separate the states of recurrent layers from the other keyword arguments.

    Parameters
    ----------
    forward_kwargs : Mapping, optional
        Keyword arguments of the model.
    count : int
        The number of examples N.
    extension : TensorReader
        The extension of the model's framework.

    Returns
    -------
    tuple of State
        The states that have N rows in each of their tensors.
    dict
        Their tensors on the host, the examples first.
    Mapping, optional
        The other arguments.
    """
    if not isinstance(forward_kwargs, Mapping):
        return (), {}, forward_kwargs
    states, tensors, others = [], {}, dict(forward_kwargs)
    for name, value in forward_kwargs.items():
        if name not in STATE_NAMES:
            continue
        is_several = type(value) in (tuple, list)
        hosts = [to_host(one, extension) for one in (value if is_several else [value])]
        axes = [None if host is None else _axis(host.shape, count) for host in hosts]
        if not axes or None in axes:
            continue
        kind = type(value).__name__ if is_several else None
        state = State(name, tuple(axis for axis in axes if axis is not None), kind)
        states.append(state)
        del others[name]
        for part, host, axis in zip(state.parts, hosts, state.axes, strict=True):
            assert host is not None
            tensors[part] = np.ascontiguousarray(np.moveaxis(host, axis, 0))
    return tuple(states), tensors, others


def _axis(shape: Sequence[int], count: int) -> int | None:
    """Give the axis of the examples: the second of a state of layers, (layers, N, H), else the first."""
    if len(shape) == 3 and shape[1] == count:
        return 1
    return 0 if shape and shape[0] == count else None


def parameters_of(model: Any) -> Mapping[str, inspect.Parameter]:
    """Give the parameters of a model by name: of what it wraps, where a wrapper passes its own arguments on.

    Examples
    --------
    >>> list(parameters_of(lambda ids, mask: ids))
    ['ids', 'mask']
    """
    found: dict[str, inspect.Parameter] = {}
    for one in (model, getattr(model, "module", None), getattr(model, "_orig_mod", None)):
        function: Any = getattr(one, "forward", None) or getattr(one, "call", None) or one
        # A method is made anew at each access; its function is not.
        plain = getattr(function, "__func__", None)
        # Some callables have no signature that can be read.
        with suppress(TypeError, ValueError):
            found |= inspect.signature(function).parameters if plain is None else _of_method(plain)
    return found


def takes_one_input(model: Any) -> bool:
    """Tell whether a model says that it takes one input: a Keras model by its inputs, another by its parameters.

    Examples
    --------
    >>> takes_one_input(lambda x: x), takes_one_input(lambda x, y: x), takes_one_input(lambda *inputs: inputs)
    (True, False, False)
    """
    inputs = getattr(model, "inputs", None)
    if hasattr(model, "get_config") and hasattr(model, "layers"):
        # A subclassed Keras model gets a list as one argument, and states no inputs.
        return isinstance(inputs, (list, tuple)) and len(inputs) == 1
    one = inspect.Parameter
    kinds = [parameter.kind for parameter in parameters_of(model).values()]
    by_position = [kind for kind in kinds if kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    return len(by_position) == 1 and one.VAR_POSITIONAL not in kinds


@lru_cache(maxsize=256)
def _of_method(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Give the parameters of a method but its first, the instance."""
    return dict([*inspect.signature(function).parameters.items()][1:])


def takes_one_mapping(model: Any, names: Collection[str], keywords: Collection[str] = ()) -> bool:
    """Tell whether a model takes inputs of these names as one argument, a mapping, since it cannot take them by name.

    None of them is a parameter, and one parameter needs a value besides the keywords of the call.

    Examples
    --------
    >>> takes_one_mapping(lambda batch, **more: batch["a"], ["a", "b"])
    True
    >>> takes_one_mapping(lambda a, b=None: a, ["a", "b"])
    False
    """
    needed = [name for name in _needed_parameters(model) if name not in keywords]
    return len(needed) == 1 and not set(names) & set(parameters_of(model))


def _needed_parameters(model: Any) -> list[str]:
    """Give the names of the parameters that a model needs by position."""
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    own = parameters_of(model).values()
    return [one.name for one in own if one.kind in kinds and one.default is inspect.Parameter.empty]
