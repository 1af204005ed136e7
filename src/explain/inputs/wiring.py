"""How a model of several inputs is called: the source and the name of each input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


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
