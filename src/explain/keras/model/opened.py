"""An opened Keras model or function: runs computations on tensors, traced if possible, whichever framework runs it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

import numpy as np

from explain.backends.layered import Layered
from explain.backends.question import Finding, Question
from explain.errors import ExplainError
from explain.inputs.examples import Array, Examples
from explain.inputs.wiring import Wiring
from explain.keras.inspection import call_error
from explain.keras.layers import batch_axis_of, fixes_axes, has_channels_last, is_keras_model, named_layers
from explain.keras.model.forward_pass import KerasForwardPass
from explain.keras.model.inspection import KerasInspection
from explain.keras.model.tracing import Beside, traces_of


class OpenedKerasModel(Layered):
    """One opened Keras model, or function.

    Parameters
    ----------
    model : keras.Model or callable
        The model as the user gave it.
    question : Question
        The score to explain, and how to call the model.
    like : object
        The input as the user gave it: a model without weights follows its dtype.
    """

    forward_pass: ClassVar[type[KerasForwardPass]]
    """The framework's forward pass."""

    inspection: KerasInspection
    has_channels_last = staticmethod(has_channels_last)
    fixes_axes = staticmethod(fixes_axes)
    batch_axis_of = staticmethod(batch_axis_of)

    def __init__(self, model: Any, question: Question, like: Any) -> None:
        shape = _shape_of_one_input(question, like)
        inspection = self.inspected(model, question.argument_names, question.wiring, shape)
        self.model = model
        super().__init__(getattr(model, "__name__", type(model).__name__), inspection, question)
        self._eager = inspection.eager
        self._own_traces: dict[Any, Any] = {}
        self._kept: set[str] = set()

    def kept_state(self) -> tuple[str, ...]:
        """Name where the model keeps a state that a call changed."""
        return tuple(sorted(self._kept))

    @property
    def structure_token(self) -> Hashable:
        """A value that stays the same as long as the layers of the model and their settings do."""
        return self.inspection.structure.token

    @property
    def named_layers(self) -> Mapping[str, Any]:
        """The layers of the model by name."""
        return named_layers(self.model) if is_keras_model(self.model) else {}

    @staticmethod
    @abstractmethod
    def inspected(
        model: Any, given: Any = (), wiring: Wiring | None = None, shape: Sequence[int] | None = None
    ) -> KerasInspection:
        """Determine the kind of a model, see `KerasInspection.of`."""

    @staticmethod
    @abstractmethod
    def is_out_of_memory(error: BaseException) -> bool:
        """Tell whether an error says that memory ran out."""

    @abstractmethod
    def tensors(self, arrays: Sequence[Array]) -> tuple[Any, ...]:
        """Copy host arrays to the device, in the precision of points."""

    @abstractmethod
    def constant(self, array: Array) -> Any:
        """Copy a host array of truth values or whole numbers to the device."""

    def points(self, examples: Examples) -> tuple[Any, ...]:
        """Copy the inputs of examples to the device: those of the model, or the output of a layer."""
        arrays = examples.inputs
        return self.tensors(
            arrays if self.entry is not None else self.question.strings_of(arrays, moved=True)
        )

    def run(
        self,
        function: Callable[..., Any],
        examples: Examples,
        *arguments: Any,
        static: tuple[Hashable, ...] = (),
        points: int | None = None,
    ) -> Any:
        """Run a computation on tensors.

        Parameters
        ----------
        function : callable
            Takes a forward pass, the static arguments, the tensors, and a `Beside`; gives tensors. Its trace is
            cached with the model.
        examples : Examples
            Companions, masks and targets of the points.
        *arguments
            The tensors, nested as `function` takes them.
        static : tuple of hashable
            Arguments that a trace is specialised to.
        points : int, optional
            How many points the model runs on, if it is not as many as there are examples.
        """
        return self.run_with_finding(function, examples, *arguments, static=static, points=points)[0]

    @abstractmethod
    def run_with_finding(
        self,
        function: Callable[..., Any],
        examples: Examples,
        *arguments: Any,
        static: tuple[Hashable, ...] = (),
        points: int | None = None,
    ) -> tuple[Any, Finding | None]:
        """Run a computation as `run` does; also give the finding about the score."""

    def check_shape(self, examples: Examples) -> None:
        """Reject an input that does not fit the shape that the model states, before Keras broadcasts it.

        Raises
        ------
        InputError, LayoutError
            If the input does not fit; the message says what to do.
        """
        question = self.question
        is_other = question.wiring is not None or question.spellings
        if self.inspection.stepwise or self.entry is not None or is_other:
            return
        count, *one = examples.inputs[0].shape
        one.insert(question.layout.batch_axis, count)
        self.inspection.check_shape(tuple(one))

    @contextmanager
    def _errors_named(self, inputs: tuple[Any, ...]) -> Iterator[None]:
        """Name the inputs, points first and a `Beside` last, in the error of a model that raises."""
        try:
            yield
        except ExplainError:
            raise
        except Exception as cause:  # The user's code may raise anything.
            (*_, outer, unmoved, _), wiring, points = inputs[-1], self.question.wiring, inputs[0]
            if wiring is not None:
                moved = points if self.entry is None else outer
                points = wiring.arranged(moved, unmoved, lambda one, axis: one)
            raise call_error(cause, points, wiring, stepwise=self.inspection.stepwise) from cause

    @abstractmethod
    def _put_back(self) -> AbstractContextManager[None]:
        """Put back what the model's own code changes: attributes, random states and the like."""

    def _traced_or_none(self, examples: Examples, trace: Callable[[], Any]) -> Any:
        """Find or make the trace of a computation; None for a model that must run operation by operation."""
        if self._eager:
            return None
        try:
            return trace()
        except ExplainError:
            raise
        # The user's code may raise anything, sometimes only because it is traced. It may still work operation by
        # operation; if not, its error then concerns the input and not the trace.
        except Exception as error:
            if self.is_out_of_memory(error):
                raise
            self._eager = self._stays_eager(examples)
            return None

    def _stays_eager(self, examples: Examples) -> bool:
        """Tell whether no computation is traced any more after one could not be."""
        return True

    def _traces_for(self, examples: Examples) -> dict[Any, Any]:
        """Give the cached traces among which that of a computation belongs."""
        # These values cannot be part of a key: cache a trace that uses them for this opened model only.
        alone = bool(self.question.argument_names) or self.question.runs_a_function(examples)
        return self._own_traces if alone else traces_of(self.model)

    def _key_of(self, function: Callable[..., Any], static: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
        """Give what a trace of a computation is specialised to besides its tensors."""
        question = self.question
        return (
            function,
            static,
            self.entry,
            self.exit,
            self.readers,
            self.fixed_batch_size,
            (question.score, question.output, question.layout, question.wiring),
            self.structure_token,
        )

    def _with_class_to_find(self, examples: Examples) -> Examples:
        """Give examples as `answers` takes them, if they may have no target yet."""
        return examples

    def _settings(self, examples: Examples) -> dict[str, Any]:
        """Give the settings of a forward pass over examples."""
        return {
            "question": self.question,
            "target_function": examples.target.function,
            "entry": self.entry,
            "exit": self.exit,
            "readers": self.readers,
        }

    def _beside(self, examples: Examples) -> Beside:
        """Give the arguments beside the points as tensors; Keras itself casts half-precision companions."""
        names, values = tuple(examples.companions), tuple(examples.companions.values())
        companions = dict(zip(names, self.tensors(values), strict=True))
        mask = () if examples.mask is None else (self.constant(examples.mask),)
        held = tuple(map(self.constant, examples.held))
        indices = examples.target.indices
        if indices is None:
            indices = np.zeros((len(examples), 0), np.int64)
        outer = self.tensors(self.question.strings_of(examples.outer, moved=True))
        unmoved = self.tensors(self.question.strings_of(examples.unmoved, moved=False))
        return companions, mask, held, outer, unmoved, self.constant(indices)


def _shape_of_one_input(question: Question, like: Any) -> tuple[int, ...] | None:
    """Give the shape of the only input, batch first; None if there are several, or if it is no array."""
    shape = getattr(like, "shape", None)
    if question.wiring is not None or shape is None:
        return None
    sizes = [int(size) for size in shape]
    return (sizes.pop(question.layout.batch_axis), *sizes)
