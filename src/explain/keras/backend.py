"""The backend primitives that are the same for a Keras model on every framework."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from explain.backends.forward_pass import LastPass, check_rows
from explain.backends.places import layer_rows_error
from explain.backends.protocol import Ahead
from explain.backends.question import Finding
from explain.inputs.examples import Array, Examples, Target
from explain.inputs.layer_calls import LayerCall
from explain.inputs.target import picked
from explain.keras.layers import is_keras_model, layers_of, seed_states
from explain.keras.model.opened import OpenedKerasModel
from explain.keras.model.tracing import Asked


class KerasBackend(OpenedKerasModel):
    """The backend of one Keras model, or function, by the framework's own `OpenedKerasModel`."""

    @staticmethod
    @abstractmethod
    def to_host(tensor: Any, /) -> Array:
        """Copy a tensor to the host, half precision as float32."""

    def hold(self, examples: Examples) -> Examples:
        """Fill in the masks that Keras layers compute from values."""
        if not self.inspection.structure.masking:
            return examples
        self.check_shape(examples)
        padded = self.padded(examples)
        masks = self.run(self.forward_pass.masks, padded, self.points(padded))
        return replace(examples, held=tuple(self.to_host(mask)[: len(examples)] for mask in masks))

    def outputs(self, examples: Examples, *, ahead: Ahead | None = None) -> tuple[Array, Finding]:
        """Give the explained output of each example, shape (N, ...), and the kind of score."""
        self.check_shape(examples)
        padded = self.padded(examples)
        points = self.points(padded)
        asked = self._asked_with_outputs(padded, ahead)
        if asked is not None:
            function, static = asked
            (outputs, *answers), finding = self.run_with_finding(
                function, self._with_class_to_find(padded), points, static=static
            )
            self.last_pass = LastPass(examples, (asked, answers))
        else:
            # The outputs of any target have the same trace.
            untargeted = padded.with_target(Target())
            outputs, finding = self.run_with_finding(self.forward_pass.outputs, untargeted, points)
        assert finding is not None
        # A trace may be for any number of examples, so the number of rows is known only now.
        if len(outputs.shape) and len(outputs) != len(padded) and not self._eager:
            # The code of the model may compute with that number, which is None in such a trace.
            self._eager = True
            return self.outputs(examples, ahead=ahead)
        check_rows(outputs.shape, len(padded))
        return self.to_host(outputs)[: len(examples)], finding

    def _asked_with_outputs(self, padded: Examples, ahead: Ahead | None) -> Asked | None:
        """Give the computation that gives outputs, and last the target indices, beside what is asked next."""
        at_once = ahead == "gradients" and padded.target.function is None and self._answers_at_once()
        return (self.forward_pass.answers, ()) if at_once else None

    def _answers_at_once(self) -> bool:
        """Tell whether one run may give both outputs and gradients."""
        return True

    @contextmanager
    def reseeded(self) -> Iterator[None]:
        """Change the seeds that Keras layers store, and restore them on exit."""
        seeds = seed_states(layers_of(self.model)) if is_keras_model(self.model) else []
        before = [np.array(self.to_host(seed.value)) for seed in seeds]
        try:
            for seed, value in zip(seeds, before, strict=True):
                seed.assign(value + np.ones_like(value))
            yield
        finally:
            for seed, value in zip(seeds, before, strict=True):
                seed.assign(value)

    def scores(self, examples: Examples) -> Array:
        """Give one number per example, shape (N,): the output at its target."""
        padded = self.padded(examples)
        target = padded.target.indices
        if target is None or target.shape[1] > 1:
            # Of outputs of many axes only the scores are copied to the host.
            scores = self.to_host(self.run(self.forward_pass.scores, padded, self.points(padded)))
        else:
            scores = picked(self.to_host(self._outputs_alone(padded)), target)
        # Do not truncate too many scores, which only a callable target can give: the caller raises an error.
        return scores[: len(examples)] if len(scores) == len(padded) else scores

    def _outputs_alone(self, padded: Examples) -> Any:
        """Give the outputs, by the trace that the first look at the model made: that of any target."""
        return self.run(self.forward_pass.outputs, padded.with_target(Target()), self.points(padded))

    def gradients(self, examples: Examples) -> tuple[tuple[Array, ...], Array]:
        """Give the gradient of every example's score to every input, and the scores, shape (N,)."""
        cached = self.cached_answers(examples, (self.forward_pass.answers, ()))
        if cached is not None and cached[0]:
            gradients, scores = cached
        else:
            gradients, scores = self._gradients_of(self.padded(examples))
        arrays = tuple(self.to_host(part)[: len(examples)] for part in gradients)
        return arrays, self.to_host(scores)[: len(examples)]

    def _gradients_of(self, padded: Examples) -> tuple[tuple[Any, ...], Any]:
        """Compute the gradients and the scores of as many examples as the model takes."""
        found: tuple[tuple[Any, ...], Any] = self.run(
            self.forward_pass.gradients, padded, self.points(padded)
        )
        return found

    def cached_answers(self, examples: Examples, asked: Asked) -> list[Any] | None:
        """Give what a computation gave beside the last outputs, if it belongs to the target that was resolved later."""
        last, self.last_pass = self.last_pass, None
        target = examples.target.indices
        if last is None or target is None or not last.is_over(examples):
            return None
        made_by, (*answers, indices) = last.results
        is_same = made_by == asked and np.array_equal(self.to_host(indices)[: len(examples)], target)
        return answers if is_same else None

    def outputs_at(self, call: LayerCall, examples: Examples) -> Array:
        """Give the output of a layer at a call for each example, shape (N, ...)."""
        padded = self.padded(examples)
        outputs = self.until(call).run(self.forward_pass.outputs, padded, self.points(padded))
        # A trace may be for any number of examples, so the number of rows is known only now.
        if len(outputs) != len(padded):
            raise layer_rows_error(call, outputs.shape, len(padded))
        return self.to_host(outputs)[: len(examples)]

    def arguments_of(self, calls: Sequence[LayerCall], examples: Examples) -> tuple[Array, ...]:
        """Give the first argument of layers at some calls, from one run."""
        places, points = tuple(map(self.place_of, calls)), self.points(examples)
        found = self.run(self.forward_pass.received, examples, points, static=(places,))
        return tuple(map(self.to_host, found))

    def in_one_run(self, call: LayerCall, examples: Examples) -> tuple[Array, Array]:
        """Give units and gradients from one run of the model."""
        points = self.points(examples)
        units, gradients = self.until(call).run(self.forward_pass.unit_gradients, examples, points)
        return self.to_host(units), self.to_host(gradients)
