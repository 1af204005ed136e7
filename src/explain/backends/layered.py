"""The part of a backend with accessible layers that is the same in every framework."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from functools import partial
from operator import is_
from typing import Any, Self

import numpy as np

from explain.backends.forward_pass import LastPass
from explain.backends.inspection import Inspection
from explain.backends.observed import observed_of
from explain.backends.operations.first_reads import Read
from explain.backends.places import Entry, JoinedPlaces, Place, layer_rows_error
from explain.backends.protocol import Ahead, Primitive, UnitsOf
from explain.backends.question import Question
from explain.backends.scoring import unknown_score_error
from explain.backends.time_axis import batch_axes, runs_along_examples, time_axis_error, with_examples
from explain.errors import ExplainError
from explain.inputs.examples import Array, Examples
from explain.inputs.joined_calls import StepCalls, TokenCalls, single_calls
from explain.inputs.layer_calls import LayerCall, RecordedCall, listed
from explain.public_calls.passes import uncounted

HeldCall = tuple[int, LayerCall]
"""A row of a run, and a call whose output is a constant for gradients in it."""


class Layered(ABC):
    """A backend whose model can start at a layer or end at one, in the same session.

    Parameters
    ----------
    model_name : str
        Class name of the model.
    inspection : Inspection
        The kind of the model.
    question : Question
        The layout, score and output to explain, and the arguments of the model.

    Raises
    ------
    ScoreError
        If probabilities are requested from a model whose layers cannot be accessed.
    """

    provides: frozenset[Primitive] = frozenset(
        {"outputs", "gradients", "path_gradients", "layers", "backward_rules", "attentions"}
    )
    """The primitives of a model whose layers can be accessed."""

    fixed_batch_size: int | None = None
    """The only batch size that the model takes, None if any."""

    takes_several_inputs = True
    """Whether the model may be given several inputs."""

    model: Any
    """The model that is called."""

    separator = "/"
    """The separator between the name of a layer and the name of a layer inside it."""

    skips_affine_prefix = True
    """Whether a path's gradients are taken at the end of the model's affine prefix, if it has one."""

    entry: Entry | None = None
    """The place where the model starts, if points are outputs of a layer."""

    readers: tuple[tuple[int, Entry], ...] = ()
    """Positions of the moved inputs that are outputs of an embedding, and the places where they replace them."""
    exit: Place | None = None
    """The place where the model ends, if the output of a layer is explained."""

    begins_with: Ahead | UnitsOf | None = None
    """What the method will ask first of the whole model, if that is known when the model is opened."""

    last_pass: LastPass | None = None
    """The forward pass that `outputs` cached for what is asked next."""
    # Whether `hold` may find masks; whether any change but of numbers gives the structure another token.
    computes_masks, sees_every_change = True, False

    def __init__(self, model_name: str, inspection: Inspection, question: Question) -> None:
        if inspection.opaque and question.score not in ("logit", "output"):
            raise unknown_score_error(question.score)
        self.model_name = model_name
        self._own_observations: dict[Hashable, Any] = {}
        self._observed: tuple[tuple[Any, ...], dict[Hashable, Any]] | None = None
        self.inspection = inspection
        self.question = question
        self.fixed_batch_size = inspection.fixed_batch_size
        if not inspection.has_layers:
            self.provides = self.provides - {"layers"}

    @abstractmethod
    def kept_state(self) -> tuple[str, ...]:
        """Name where the model keeps a state that the last call changed."""

    @property
    @abstractmethod
    def structure_token(self) -> Hashable:
        """A value that stays the same as long as the layers of the model and their settings do."""

    @property
    @abstractmethod
    def named_layers(self) -> Mapping[str, Any]:
        """The layers of the model by name."""

    @abstractmethod
    def place_of(self, call: LayerCall) -> Place:
        """Give the place of a call, where the model can start or end."""

    @abstractmethod
    def note_layers(
        self, examples: Examples, recorded: list[RecordedCall], *, operations: bool = False
    ) -> None:
        """Run examples; record each call of a layer (name, shape of its output), in the order in which calls end.

        With `operations`, also each operation that the model's code calls between its layers. An output that is not a
        map of the input has an empty shape. A size that a trace leaves open is None.
        """

    @staticmethod
    @abstractmethod
    def batch_axis_of(layer: Any) -> int | None:
        """Give the axis of the examples that a layer over time steps expects; None for any other layer."""

    @staticmethod
    @abstractmethod
    def has_channels_last(layer: Any, before: bool) -> bool:
        """Tell whether the output of a layer has its channels last, from whether its input has."""

    @staticmethod
    @abstractmethod
    def fixes_axes(layer: Any) -> bool:
        """Tell whether the operation of a layer, such as a convolution, determines which of its axes are space."""

    @abstractmethod
    def first_reads(self, examples: Examples, most: int) -> Sequence[Read]:
        """Run examples; give the inputs of the first operations that tell axes apart, at most as many."""

    @abstractmethod
    def unscaled_uses(self, examples: Examples) -> list[str] | None:
        """Name the first operations on the input that do not scale it; None if the operations cannot be seen."""

    def forget(self) -> None:
        """Clear the cached results of the whole model, and what is asked of it."""
        self.last_pass = self.begins_with = None

    def layer_calls(
        self, examples: Examples, *, until_failure: bool = False, operations: bool = False
    ) -> tuple[LayerCall, ...]:
        """Give every call of a layer, in the order in which they end; of a run that fails, those before if asked.

        With `operations`, also the operations that the model's code calls between its layers.
        """
        shapes = (array.shape[1:] for array in (*examples.inputs, *examples.unmoved))
        key = ("layer calls", until_failure, operations, *shapes)
        if key not in self.observed:
            with uncounted():
                self.observed[key] = self._layer_calls(examples, until_failure, operations)
        found: tuple[LayerCall, ...] = self.observed[key]
        return found

    def _layer_calls(
        self, examples: Examples, until_failure: bool, operations: bool
    ) -> tuple[LayerCall, ...]:
        layers, last = self.named_layers, self.question.layout.axes[-1] == "C"
        recorded: list[RecordedCall] = []
        failed = True
        try:
            self.note_layers(examples.rows(slice(0, 1)), recorded, operations=operations)
            failed = False
        except ExplainError:
            if not until_failure:
                raise
        finally:
            # If the model raised, a wrong order of the axes may be the reason.
            if not (failed and until_failure):
                self._check_time_axis(examples, recorded)
        count = self.fixed_batch_size or 1
        axes = self._batch_axes(examples, recorded, operations)
        calls, rows = listed(recorded, axes, layers, self, channels_last=last, count=count)
        entered = {place.call for place in self._entered_places()}
        doubtful = [
            index
            for index, (call, own) in enumerate(zip(calls, rows, strict=True))
            if own not in (None, count) and call not in entered and not failed
        ]
        return with_examples(calls, doubtful, examples, self.fixed_batch_size, self.recorded_outputs)

    @property
    def observed(self) -> dict[Hashable, Any]:
        """What was observed of the model for this question, by what was observed; empty when its structure changed."""
        question = self.question
        # It is read many times a call: nothing but these decides what it is.
        now = question, self.entry, self.exit, self.readers, self.structure_token
        if self._observed is not None and all(map(is_, self._observed[0], now)):
            return self._observed[1]
        # The values of keyword arguments cannot be part of a key.
        own = self._own_observations if question.forward_kwargs else None
        cached = observed_of(self.model, self.structure_token) if own is None else own
        how = question.score, question.output, question.layout, question.wiring
        where = tuple(place and place.call for place in (self.entry, self.exit))
        readers = tuple((number, place.call) for number, place in self.readers)
        found: dict[Hashable, Any] = cached.setdefault((how, where, readers), {})
        self._observed = now, found
        return found

    def _check_time_axis(self, examples: Examples, recorded: Sequence[RecordedCall]) -> None:
        """Refuse token ids in whose layout a layer takes the examples for time steps."""
        layers = self.named_layers
        expected = {name: self.batch_axis_of(layers.get(name)) for name, _ in recorded}
        over_time = {name: axis for name, axis in expected.items() if axis is not None}
        ids = [array for array in (*examples.inputs, *examples.unmoved) if array.dtype.kind in "iu"]
        steps = {array.shape[1] for array in ids if array.ndim == 2}
        name = runs_along_examples(over_time, steps, recorded, partial(self._noted, examples))
        if name is not None:
            kind = type(layers[name]).__name__
            raise time_axis_error(name, kind, self.question.layout, self.question.wiring)

    def _batch_axes(
        self, examples: Examples, recorded: Sequence[RecordedCall], operations: bool
    ) -> list[int]:
        """Give the batch axis of each recorded output: the first, unless x has it elsewhere."""
        question = self.question
        axes = (question.layout.batch_axis,) if question.wiring is None else question.wiring.batch_axes
        if not any(axes):
            return [0] * len(recorded)
        return batch_axes(recorded, self._noted(examples, 2, operations), max(axes))

    def _noted(self, examples: Examples, count: int, operations: bool = False) -> list[RecordedCall]:
        """Give the calls of layers for the first example, `count` times; those before an error, if there is one."""
        recorded: list[RecordedCall] = []
        with suppress(ExplainError):
            self.note_layers(examples.rows(np.zeros(count, np.intp)), recorded, operations=operations)
        return recorded

    def layer_names(self) -> Mapping[int, str]:
        """Give the names of the layers by the identity of the layer."""
        return {id(layer): name for name, layer in self.named_layers.items()}

    @abstractmethod
    def recorded_outputs(self, calls: Sequence[LayerCall], examples: Examples) -> tuple[Array, ...]:
        """Give the outputs of layers at calls that no moved input replaces, from one run of the model."""

    @abstractmethod
    def outputs_at(self, call: LayerCall, examples: Examples) -> Array:
        """Give the output of a layer at a single call for each example, shape (N, ...)."""

    def activations(self, call: LayerCall, examples: Examples) -> Array:
        """Give the output of a layer at a call for each example, shape (N, ...)."""
        if isinstance(call, StepCalls):
            return self.recorded([call], examples)[0]
        return self.outputs_at(call, examples)

    def keeps_order(self, call: LayerCall, examples: Examples) -> bool:
        """Tell whether the rows of a call are known to be in the order of the examples, without another run."""
        return False

    @abstractmethod
    def arguments_of(self, calls: Sequence[LayerCall], examples: Examples) -> tuple[Array, ...]:
        """Give the first argument of layers at some calls, in their own layout, from one run of the model."""

    def received(self, calls: Sequence[LayerCall], examples: Examples) -> tuple[Array, ...]:
        """Give what layers at some calls receive, their first argument, batch first, from one run of the model."""
        found = []
        for call, argument in zip(calls, self.arguments_of(calls, self.padded(examples)), strict=True):
            axis = call.batch_axis if argument.ndim > call.batch_axis else 0
            first = np.moveaxis(argument, axis, 0)
            if call.fold is not None and first.shape[1:] != (0,) and len(first) % call.fold.rows == 0:
                first = call.fold.of_examples(first)
            found.append(first[: len(examples)])
        return tuple(found)

    @abstractmethod
    def gradients(self, examples: Examples) -> tuple[tuple[Array, ...], Array]:
        """Give the gradient of every example's score to every input, and the scores, shape (N,)."""

    @abstractmethod
    def in_one_run(self, call: LayerCall, examples: Examples) -> tuple[Array, Array]:
        """Give units and gradients from one run of the model."""

    def units_and_gradients(self, call: LayerCall, examples: Examples) -> tuple[Array, Array]:
        """Give the result of `activations`, and the gradient of every example's score to it."""
        if isinstance(call, StepCalls) or self.place_of(call) in self._entered_places():
            # The layer's output is already replaced at this place, or there are several: replace it by its own value,
            # and take the gradient to that value.
            units = self.activations(call, examples)
            (slopes,), _ = self.at(call).gradients(examples.at_layer(units, None))
            return units, slopes
        padded = self.padded(examples)
        units, slopes = self.in_one_run(call, padded)
        if len(units) != len(padded):
            raise layer_rows_error(call, units.shape, len(padded))
        return units[: len(examples)], slopes[: len(examples)]

    @abstractmethod
    def held_gradients(self, calls: Sequence[HeldCall], examples: Examples) -> tuple[Array, ...]:
        """Give the gradients of the scores to the inputs; in some rows the output of a call is a constant."""

    def recorded(self, calls: Sequence[LayerCall], examples: Examples) -> tuple[Array, ...]:
        """Give the outputs of layers at some calls from one run, as many rows as they have."""
        single = [one for call in calls for one in single_calls(call)]
        entered = {call: own for call in single if (own := self._input_at(call)) is not None}
        left, padded = [call for call in single if call not in entered], self.padded(examples)
        outputs = dict(zip(left, self.recorded_outputs(left, padded) if left else (), strict=True))
        for call, output in outputs.items():
            outputs[call] = output[: len(examples)] if len(output) == len(padded) else output
            # Inputs may replace some rows of each example: those of a call that was given with these rows.
            for row in range(call.shape[0]) if call.has_steps else ():
                own = self._input_at(call.of_rows(row, row + 1))
                if own is not None:
                    outputs[call] = outputs[call].copy()
                    outputs[call][:, row] = examples.inputs[own[0]][:, *own[1]]
        for call, (number, where) in entered.items():
            value = examples.inputs[number][:, *where]
            outputs[call] = value if value.ndim <= 1 + len(call.shape) else value[:, 0]
        return tuple(
            call.joined([outputs[one] for one in call.calls])
            if isinstance(call, StepCalls)
            else outputs[call]
            for call in calls
        )

    def gradients_without(self, calls: Sequence[LayerCall | None], examples: Examples) -> tuple[Array, ...]:
        """Give the gradients of the scores to the inputs, if in each row the output of one call were a constant.

        The row of None, and of a call whose output does not have one row per example, has the whole gradient.
        """
        entered = {row: self._input_at(call) for row, call in enumerate(calls) if call is not None}
        left = [(row, call) for row, call in enumerate(calls) if call is not None and entered[row] is None]
        held = [(row, one) for row, call in left for one in single_calls(call)]
        found = self.held_gradients(held, self.padded(examples))
        gradients = tuple(gradient[: len(examples)].copy() for gradient in found)
        for row, own in entered.items():
            # These values enter the model at this call: they have no other way.
            if own is not None:
                gradients[own[0]][row][own[1]] = 0
        return gradients

    def _input_at(self, call: LayerCall) -> tuple[int, tuple[Any, ...]] | None:
        """Give the position of the moved input that replaces the output of a call, and which of its numbers do."""
        if isinstance(call, StepCalls):
            return None
        place = self.place_of(call)
        for number, entry in ((0, self.entry), *self.readers):
            if isinstance(entry, JoinedPlaces):
                for index, one in enumerate(entry.places):
                    if one == place:
                        return number, entry.call.places_of(index)
            elif entry == place:
                return number, (...,)
        return None

    def padded(self, examples: Examples) -> Examples:
        """Repeat the last example up to the fixed batch size, if there is one."""
        return examples if self.fixed_batch_size is None else examples.padded(self.fixed_batch_size)

    def at(self, call: LayerCall) -> Self:
        """Give the same model, with the output of a layer at a call as its input."""
        # The affine prefix of the model may lie before the layer.
        return self._changed(entry=self._entry_at(call), skips_affine_prefix=False)

    def reading(self, calls: Mapping[int, LayerCall]) -> Self:
        """Give the same model with some of its moved inputs put in place of the output of a call."""
        return self._changed(readers=tuple((place, self._entry_at(call)) for place, call in calls.items()))

    def _entry_at(self, call: LayerCall) -> Entry:
        if isinstance(call, (TokenCalls, StepCalls)):
            return JoinedPlaces(tuple(self.place_of(one) for one in call.calls), call)
        return self.place_of(call)

    def _entered_places(self) -> list[Place]:
        """Give every place whose output is replaced."""
        entries = (self.entry, *(reader for _, reader in self.readers))
        return [place for entry in entries if entry is not None for place in entry.places]

    def until(self, call: LayerCall) -> Self:
        """Give the model up to the output of a layer at a call."""
        return self._changed(exit=self.place_of(call))

    def _changed(self, **attributes: Any) -> Self:
        other = copy(self)
        vars(other).update(attributes)
        other.forget()
        return other
