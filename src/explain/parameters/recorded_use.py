"""Recording the calls of layers with parameters while a model runs, the same for every framework."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from explain.errors import ModelCallError
from explain.parameters.canonical import Array


@dataclass(frozen=True, eq=False)
class Use:
    """One call of a layer.

    Parameters
    ----------
    name : str
        The layer's name.
    takes, gives : tuple of int
        The shapes of its first input and of its output, batch axis included; empty for values that are not
        tensors.
    features : numpy.ndarray, shape (N, features) or (N, steps, features), optional
        Its first input, of a rank of 2 or 3.
    after : str, optional
        The layer whose output is its first input, unchanged.
    """

    name: str
    takes: tuple[int, ...]
    gives: tuple[int, ...]
    features: Array | None = None
    after: str | None = None


class Run(Protocol):
    """Runs a model on its examples and records each use of a layer with parameters, in the order of the calls."""

    def __call__(self, marked: int | None = None, axis: int = -1, channel: int = 0) -> list[Use]:
        """Run the model; set the output of use number `marked` to NaN at one index of an axis, along all others."""


class UseRecorder:
    """Records the uses of layers during one run.

    Parameters
    ----------
    mark : (int or None, int, int)
        The number of the use that gets NaN in its output, the axis, and the index on it.
    to_host : callable
        Converts a tensor to an array.
    with_nan : callable
        Takes a tensor, an axis and an index on it, and gives the tensor with NaN there.

    Attributes
    ----------
    uses : list of Use
        In the order in which the calls began.
    """

    def __init__(
        self,
        mark: tuple[int | None, int, int],
        to_host: Callable[[Any], Array],
        with_nan: Callable[[Any, int, int], Any],
    ) -> None:
        self.uses: list[Use] = []
        self._mark, self._to_host, self._with_nan = mark, to_host, with_nan
        # References to the tensors, so that no new tensor gets the `id` of an old one.
        self._makers: dict[int, tuple[str, Any]] = {}

    def begin(self) -> int:
        """Record that a call begins; return its number."""
        self.uses.append(Use("", (), ()))
        return len(self.uses) - 1

    def end(self, number: int, name: str, given: Any, output: Any) -> Any:
        """Record a call that ends; return its output, with NaN for the marked call."""
        first = output[0] if isinstance(output, (tuple, list)) and output else output
        takes, gives = _shape_of(given), _shape_of(first)
        features = np.array(self._to_host(given)) if len(takes) in (2, 3) else None
        maker, _ = self._makers.get(id(given), (None, None))
        self.uses[number] = Use(name, takes, gives, features, maker)
        if not hasattr(first, "shape"):
            return output
        self._makers[id(first)] = name, first
        marked, axis, place = self._mark
        return self._with_nan(first, axis, place) if number == marked else output


def recorded_run(
    call: Callable[[UseRecorder], None],
    to_host: Callable[[Any], Array],
    with_nan: Callable[[Any, int, int], Any],
) -> Run:
    """Make a `Run` of a function that calls the model with a recorder on its layers.

    Parameters
    ----------
    call : callable
        Calls the model.
    to_host, with_nan : callable
        As in `UseRecorder`.
    """

    def run(marked: int | None = None, axis: int = -1, channel: int = 0) -> list[Use]:
        recorder = UseRecorder((marked, axis, channel), to_host, with_nan)
        try:
            call(recorder)
        except Exception as error:
            raise ModelCallError(
                f"The model failed on x while its layers' calls were recorded: {error}"
            ) from error
        return recorder.uses

    return run


def _shape_of(value: Any) -> tuple[int, ...]:
    return tuple(getattr(value, "shape", ()))
