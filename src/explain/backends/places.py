"""A place where a model starts or ends: the output of a layer at one of its calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from explain.errors import LayerError
from explain.inputs.joined_calls import StepCalls, TokenCalls
from explain.inputs.layer_calls import Fold, LayerCall

is_replacing: ContextVar[bool] = ContextVar("is_replacing", default=False)
"""Whether an output is replaced at this moment: the operations of that are none of the model's code."""


class EndOfRun(BaseException):
    """Ends a run of a model at a layer, whose output is all that is wanted; the model's own code does not catch it."""


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

    @property
    def places(self) -> tuple[Place, ...]:
        """The place itself: of calls as one, there are several."""
        return (self,)

    @abstractmethod
    def passed_through(self, function: Callable[[Any], Any]) -> AbstractContextManager[None]:
        """Replace the output by the result of a function of it."""

    @abstractmethod
    def with_moved_axis(self, output: Any, source: int, target: int) -> Any:
        """Move an axis of the output, or of what replaces it."""

    @abstractmethod
    def with_shape(self, output: Any, shape: Sequence[int]) -> Any:
        """Reshape the output, or what replaces it; -1 for a size that follows from the others."""

    @abstractmethod
    def joined(self, parts: Sequence[Any]) -> Any:
        """Put parts of the output, or of what replaces it, behind each other on the second axis."""

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
    def held_in(self, output: Any, row: int, rows: int | None) -> Any:
        """Give the output with one of its rows as a constant for gradients; as it is if it has not `rows` rows."""

    @contextmanager
    def held(self, row: int, rows: int | None) -> Iterator[None]:
        """Make one row of the output a constant for gradients, in a run over `rows` rows, None if they are open."""
        with self.passed_through(self._batch_first(lambda output: self.held_in(output, row, rows))):
            yield

    @abstractmethod
    def received(self) -> AbstractContextManager[list[Any]]:
        """Record the first argument of the call."""

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

    def _batch_first(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Give a function of the output as the layer gives it, from a function of the output batch first."""
        axis, fold = self.call.batch_axis, self.call.fold

        def replaced(output: Any) -> Any:
            if fold is not None:
                return self._folded(self._with_own(self._unfolded(output, fold), fold, function), fold)
            if axis == 0:
                return function(output)
            return self.with_moved_axis(function(self.with_moved_axis(output, axis, 0)), 0, axis)

        def unseen(output: Any) -> Any:
            token = is_replacing.set(True)
            try:
                return replaced(output)
            finally:
                is_replacing.reset(token)

        return unseen

    @contextmanager
    def _called_once(self, function: Callable[[Any], Any]) -> Iterator[None]:
        """Pass the output, batch first, through a function; raise `LayerError` if the model did not make this call."""
        was_called = False

        def noted(output: Any) -> Any:
            nonlocal was_called
            was_called = True
            return function(output)

        with self.passed_through(self._batch_first(noted)):
            yield
            if not was_called:
                raise LayerError(
                    f"layer={self.call.label!r} was not called this time: the model calls other layers for other "
                    "inputs. Name a layer that it always calls."
                )

    def _with_own(self, rows: Any, fold: Fold, function: Callable[[Any], Any]) -> Any:
        """Pass the rows of each example, shape (N, rows, ...), through a function: all, or those that are meant."""
        if fold.own is None:
            return function(rows)
        first, stop = fold.own
        if stop - first == 1:
            found = function(rows[:, first])
            found = self.with_shape(found, (-1, 1, *rows.shape[2:]))
        else:
            found = function(rows[:, first:stop])
        before = [rows[:, :first]] if first else []
        return self.joined([*before, found, *([rows[:, stop:]] if stop < fold.rows else [])])

    def _unfolded(self, output: Any, fold: Fold) -> Any:
        """Give an output with the rows of each example on an axis of their own, shape (N, rows, ...)."""
        row, blocks = tuple(output.shape[1:]), fold.blocks
        if blocks == 1:
            return self.with_shape(output, (-1, fold.rows, *row))
        apart = self.with_shape(output, (blocks, -1, fold.rows // blocks, *row))
        return self.with_shape(self.with_moved_axis(apart, 1, 0), (-1, fold.rows, *row))

    def _folded(self, value: Any, fold: Fold) -> Any:
        """Undo `_unfolded`."""
        row, blocks = tuple(value.shape[2:]), fold.blocks
        if blocks > 1:
            value = self.with_shape(value, (-1, blocks, fold.rows // blocks, *row))
            value = self.with_moved_axis(value, 0, 1)
        return self.with_shape(value, (-1, *row))


def layer_rows_error(call: LayerCall, shape: Sequence[int | None], rows: int) -> LayerError:
    """Give the error for a layer whose output has another number of rows than there are examples."""
    return LayerError(
        f"layer={call.label!r} gives shape {tuple(shape)} for {rows} example{'s' if rows > 1 else ''}: its rows are "
        "not the examples, so the values of one example cannot be told. Name a layer that gives one row per example."
    )


@dataclass(frozen=True)
class JoinedPlaces:
    """The outputs of several calls as one: of the embeddings that read the same token ids, or of a layer at each step.

    Parameters
    ----------
    places : tuple of Place
        The place of each of the calls.
    call : TokenCalls or StepCalls
        The calls as one.
    """

    places: tuple[Place, ...]
    call: TokenCalls | StepCalls

    @contextmanager
    def entered(self, value: Any) -> Iterator[None]:
        """Replace each output by its part of a value, shape (N, T, C) for tokens, (N, steps, ...) for steps."""
        with ExitStack() as stack:
            for number, place in enumerate(self.places):
                stack.enter_context(place.entered(self.call.of_call(value, number)))
            yield


Entry = Place | JoinedPlaces
"""Where an input replaces the output of a layer, or of several."""


def entering(
    readers: Sequence[tuple[int, Entry]], entry: Entry | None, moved: Sequence[Any], value: Any
) -> list[AbstractContextManager[Any]]:
    """Give the contexts that start a model at its places: some of its moved inputs at `readers`, `value` at `entry`."""
    contexts: list[AbstractContextManager[Any]] = [place.entered(moved[number]) for number, place in readers]
    if entry is not None and value is not None:
        contexts.append(entry.entered(value))
    return contexts
