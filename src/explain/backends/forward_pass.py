"""A forward pass: from the inputs of a model to the explained output, the same in every framework."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from explain.backends.inspection import Inspection
from explain.backends.operations.endings import Ending
from explain.backends.outputs.choice import pick_output
from explain.backends.places import EndOfRun, Entry, Place, layer_rows_error
from explain.backends.question import Finding, Question
from explain.backends.scoring import (
    Arithmetic,
    Reading,
    RecordedActivation,
    class_axis,
    read_opaque,
    read_output,
    same,
    terminal_activation,
)
from explain.backends.stepwise import check_step_result, time_axis_of, unrolled
from explain.errors import InputError
from explain.inputs.examples import Examples
from explain.inputs.text.continuation import FOLLOWING, not_foretold_error

_NOTHING = nullcontext()


@dataclass(frozen=True)
class LastPass:
    """A forward pass, cached for what is asked next of the same examples: gradients, or a backward rule.

    Parameters
    ----------
    examples : Examples
        The examples that the model was run on.
    results : object
        The results that the extension caches.
    """

    examples: Examples
    results: Any

    def is_over(self, examples: Examples) -> bool:
        """Tell whether the pass was over the same input arrays, whatever the target."""
        return self.examples.inputs is examples.inputs and self.examples.held is examples.held


def check_rows(shape: Sequence[int | None], rows: int | None) -> None:
    """Raise `InputError` unless an output has one row per example; None is a number that is not known yet."""
    if len(shape) == 0 or (rows is not None and shape[0] not in (None, rows)):
        raise InputError(
            f"The model gave an output of shape {tuple(shape)} for a batch of {rows}: the output should have one "
            f"row per example. {_why_no_row_per_example(shape, rows)}"
        )


def _why_no_row_per_example(shape: Sequence[int | None], rows: int | None) -> str:
    """Give the likely reason, and what to do."""
    if rows == 1 and shape[:1] != (1,) and len(shape) <= 1:
        return (
            "If the model calls squeeze(), name the axis, for example squeeze(-1): without one it also removes the "
            "axis of a single example."
        )
    if rows and len(shape) > 1 and shape[0] and shape[0] > rows and shape[0] % rows == 0:
        return (
            f"If it puts the steps of all examples on one axis, as reshape(-1, {shape[-1]}) does, give a model that "
            f"calls this one and returns its output as reshape(len(x), -1, {shape[-1]}), with target=(step, class). If "
            "the model takes one example at a time, give batch_size=1."
        )
    return (
        "Does x have a batch axis, and is layout= right? If the model takes one example at a time, give "
        "batch_size=1."
    )


@dataclass(kw_only=True)
class ForwardPass(ABC):
    """The steps of a forward pass.

    Parameters
    ----------
    inspection : Inspection
        The kind of the model.
    question : Question
        The layout, score and output to explain, and the arguments of the model.
    ending : Ending, optional
        The activations that made the output, if they are known from another call.
    entry, exit : Place, optional
        The place where the model starts, if points are outputs of a layer, and where it ends, if the output
        of a layer is explained.
    readers : tuple of (int, Place)
        The positions of the moved inputs that are outputs of an embedding, and the places where they replace
        those outputs.
    """

    arithmetic: ClassVar[Arithmetic]
    """The framework's operations on tensors."""

    inspection: Inspection
    question: Question
    ending: Ending | None = None
    entry: Entry | None = None
    exit: Place | None = None
    readers: tuple[tuple[int, Entry], ...] = ()

    def read_inputs(
        self,
        moved: Sequence[Any],
        unmoved: Sequence[Any],
        mask: Any,
        keywords: Mapping[str, Any],
        contexts: Sequence[AbstractContextManager[Any]],
        rows: int | None,
    ) -> Reading:
        """Call the model inside contexts; read its output, batch first.

        Parameters
        ----------
        moved, unmoved : sequence of tensor
            The inputs that are explained, and the inputs that stay fixed, batch first.
        mask : tensor of bool, optional
            True where a step of a sequence is real, shape (N, T).
        keywords : Mapping
            Keyword arguments.
        contexts : sequence of context managers
            Entered in their order.
        rows : int, optional
            The number of examples, if it is known.

        Raises
        ------
        InputError
            If the output has another number of rows, or no axis at all.
        """
        question, batch_axis = self.question, self.question.layout.batch_axis
        # These belong to the score, not to the model.
        following = keywords.get(FOLLOWING)
        keywords = {name: one for name, one in keywords.items() if name != FOLLOWING}
        keywords = question.with_states(keywords, self._with_moved_axis)
        # A place where the run begins may come after the one where it ends.
        with suppress(EndOfRun) if self.exit is not None else _NOTHING, ExitStack() as stack:
            for context in contexts:
                stack.enter_context(context)
            left = [] if self.exit is None else stack.enter_context(self.exit.kept())
            self._recorded = stack.enter_context(self._recording())
            if self.inspection.stepwise:
                return self._reading_of_last_step(moved[0], mask, keywords)
            if question.wiring is None:
                inputs = [self._with_moved_axis(moved[0], 0, batch_axis), *moved[1:]]
            else:
                inputs = question.wiring.arranged(
                    moved, unmoved, lambda one, axis: self._with_moved_axis(one, 0, axis)
                )
            if self.exit is None:
                reading, _ = self._called(inputs, keywords, question.output, rows=rows)
            else:
                # What the model returns does not matter: it may end at the layer.
                self._run(inputs, keywords)
        if self.exit is not None:
            reading = Reading(left[0], same, Finding("output"))
        elif batch_axis != 0 and len(reading.source.shape) >= 3:
            first = self._with_moved_axis(reading.explained, batch_axis, 0)
            reading = Reading(first, same, reading.finding)
        shape = reading.source.shape
        if self.exit is not None and rows is not None and shape[0] not in (None, rows):
            raise layer_rows_error(self.exit.call, shape, rows)
        check_rows(shape, rows)
        if question.continued and self.exit is None:
            transform = reading.transform
            return replace(reading, transform=lambda source: self._checked(transform(source), following))
        return reading

    def _recording(self) -> AbstractContextManager[list[RecordedActivation]]:
        """Record the calls of activation layers, of all calls in this pass: of a model that takes one step, of many."""
        return nullcontext([])

    def _checked(self, outputs: Any, following: Any) -> Any:
        """Give the scores of the tokens that follow; refuse outputs that are not of these tokens."""
        shape, least = tuple(outputs.shape), self.question.continued
        if len(shape) != 3 or (shape[2] is not None and shape[2] < least):
            raise not_foretold_error(shape[1:], least)
        return self._continued(outputs, following)

    def _reading_of_last_step(self, inputs: Any, mask: Any, keywords: Mapping[str, Any]) -> Reading:
        """Call a model that takes one step at a time over whole sequences; read its output at the last real step."""
        readings: list[Reading] = []
        output = 0 if self.question.output is None else self.question.output

        def step(one: Any, state: Any) -> tuple[Any, Any]:
            reading, result = self._called([one, state], keywords, output, check_step_result)
            readings.append(reading)
            return reading.source, result[1]

        def choose(time: int, new: Any, old: Any) -> Any:
            return self._where(mask[:, time], new, old)

        steps = self._steps(inputs, time_axis_of(self.question.layout))
        source = unrolled(step, steps, self._first_state(inputs), None if mask is None else choose)
        return replace(readings[0], source=source)

    def _called(
        self,
        inputs: Sequence[Any],
        keywords: Mapping[str, Any],
        output: int | str | None,
        check: Callable[[Any], None] | None = None,
        rows: int | None = None,
    ) -> tuple[Reading, Any]:
        """Call the model once; read its output, and give all that it returned."""
        result, recorded = self._run(inputs, keywords)
        if check is not None:
            check(result)
        if self.question.scorer is not None:
            # What the function gives is the score, whatever it is made of.
            return Reading(
                self._scalars_of(self.question.scorer, result, rows), same, Finding("output")
            ), result
        if output is None and self.inspection.takes_state and isinstance(result, (tuple, list)):
            # The other is the next state.
            output = 0 if len(result) == 2 else None
        chosen = pick_output(result, output, self._output_names(), self._is_tensor)
        wanted, terminal = self.question.score, terminal_activation(chosen, recorded)
        is_searched = wanted != "output" and terminal is None and self.exit is None
        ending = self._ending_of(chosen) if is_searched else None
        if self.inspection.opaque:
            return read_opaque(chosen, wanted, ending), result
        # Where an activation ended the model, it tells the axis.
        is_asked = wanted not in ("logit", "output") and terminal is None
        reading = read_output(
            chosen,
            wanted,
            self.arithmetic,
            terminal=terminal,
            ending=ending,
            replaced=None if ending is None or not ending.moved else self._replaced(chosen, ending),
            class_axis=self._class_axis(chosen, inputs[0]) if is_asked else -1,
        )
        return reading, result

    def _class_axis(self, output: Any, first: Any) -> int:
        """Give the axis of the classes, seen from an output and the first input."""
        given = tuple(first.shape) if self._is_tensor(first) else ()
        return class_axis(
            tuple(output.shape), given, self.question.layout, channels_first=self.channels_first
        )

    @abstractmethod
    def _run(
        self, inputs: Sequence[Any], keywords: Mapping[str, Any]
    ) -> tuple[Any, Sequence[RecordedActivation]]:
        """Call the model; give what it returned and the calls of its activation layers."""

    @abstractmethod
    def _scalars_of(self, function: Callable[[Any], Any], outputs: Any, rows: int | None) -> Any:
        """Give what a function makes of all that the model returned: one number per example, shape (N,)."""

    @abstractmethod
    def _continued(self, outputs: Any, following: Any) -> Any:
        """Give the sum of the scores of the tokens that follow, and each score, shape (N, 1 + K).

        Parameters
        ----------
        outputs : tensor
            Shape (N, T, tokens).
        following : tensor of int
            Shape (N, K, 3): place, id, and whether the token is there.
        """

    @abstractmethod
    def _output_names(self) -> Sequence[str]:
        """Give the names that the model states for its outputs, if it states any."""

    @abstractmethod
    def _is_tensor(self, value: Any) -> bool:
        """Tell whether a value is a tensor of the framework."""

    @abstractmethod
    def _ending_of(self, output: Any) -> Ending | None:
        """Give the activations that made an output, if they are known."""

    @abstractmethod
    def _replaced(self, output: Any, ending: Ending) -> Any:
        """Give an output with the wanted kind of score in place of the activations that made its values.

        None if they cannot be replaced in this pass.
        """

    @property
    @abstractmethod
    def channels_first(self) -> bool:
        """Whether the classes are the first axis after the batch by the framework's convention."""

    @abstractmethod
    def _with_moved_axis(self, tensor: Any, source: int, target: int) -> Any:
        """Move an axis of a tensor."""

    @abstractmethod
    def _steps(self, inputs: Any, axis: int) -> Sequence[Any]:
        """Give the steps of sequences, each of shape (N, C)."""

    @abstractmethod
    def _first_state(self, inputs: Any) -> Any:
        """Give the state before the first step, one row per example."""

    @abstractmethod
    def _where(self, real: Any, new: Any, old: Any) -> Any:
        """Give the rows of `new` where `real`, shape (N,), is true, and the rows of `old` elsewhere."""
