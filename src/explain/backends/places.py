"""A place where a model starts or ends: the output of a layer at one of its calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from explain.errors import LayerError
from explain.inputs.layer_calls import LayerCall


@dataclass(frozen=True)
class Place(ABC):
    """The output of a layer at one of its calls; of a layer with several outputs, as an LSTM has, the first.

    Parameters
    ----------
    layer : object
        The layer, or a weak reference to it.
    call : LayerCall
        The call of the layer.
    """

    layer: Any
    call: LayerCall

    @abstractmethod
    def passed_through(self, function: Callable[[Any], Any]) -> AbstractContextManager[None]:
        """Replace the output by the result of a function of it."""

    @abstractmethod
    def fits(self, output: Any, value: Any) -> bool:
        """Tell whether a value has the shape of the output."""

    @abstractmethod
    def in_place_of(self, output: Any, value: Any) -> Any:
        """Give a value as it replaces the output: in its dtype, and safe to change in place."""

    @abstractmethod
    def copied(self, output: Any) -> Any:
        """Give the output such that later in-place changes do not affect it."""

    @abstractmethod
    def held_in(self, output: Any, row: int, rows: int) -> Any:
        """Give the output with one of its rows as a constant for gradients; as it is if it has not `rows` rows."""

    @contextmanager
    def held(self, row: int, rows: int) -> Iterator[None]:
        """Make one row of the output a constant for gradients, in a run over `rows` rows."""
        with self.passed_through(lambda output: self.held_in(output, row, rows)):
            yield

    @contextmanager
    def entered(self, value: Any) -> Iterator[None]:
        """Replace the output by a value."""

        def enter(output: Any) -> Any:
            if not self.fits(output, value):
                raise LayerError(
                    f"layer={self.call.label!r} gives shape {tuple(output.shape)} here and {tuple(value.shape)} "
                    "before: it cannot be used as an input."
                )
            return self.in_place_of(output, value)

        with self._called_once(enter):
            yield

    @contextmanager
    def kept(self) -> Iterator[list[Any]]:
        """Record the output."""
        found: list[Any] = []

        def record(output: Any) -> Any:
            found.append(self.copied(output))
            return output

        with self._called_once(record):
            yield found

    @contextmanager
    def _called_once(self, function: Callable[[Any], Any]) -> Iterator[None]:
        """Pass the output through a function; raise `LayerError` if the model did not make this call."""
        was_called = False

        def noted(output: Any) -> Any:
            nonlocal was_called
            was_called = True
            return function(output)

        with self.passed_through(noted):
            yield
            if not was_called:
                raise LayerError(
                    f"layer={self.call.label!r} was not called this time: the model calls other layers for other "
                    "inputs. Name a layer that it always calls."
                )


def entering(
    readers: Sequence[tuple[int, Place]], entry: Place | None, moved: Sequence[Any], value: Any
) -> list[AbstractContextManager[Any]]:
    """Give the contexts that start a model at its places: some of its moved inputs at `readers`, `value` at `entry`."""
    contexts: list[AbstractContextManager[Any]] = [place.entered(moved[number]) for number, place in readers]
    if entry is not None and value is not None:
        contexts.append(entry.entered(value))
    return contexts
