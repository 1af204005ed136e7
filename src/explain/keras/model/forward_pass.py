"""A forward pass of a Keras model, or of a function, as a function of tensors, so that it can be traced."""

from __future__ import annotations

import weakref
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Self

from explain.backends import forward_pass
from explain.backends.places import Place, entering
from explain.backends.question import Finding
from explain.backends.scoring import Reading, RecordedActivation
from explain.keras.calls import recorded_activations, wired
from explain.keras.inspection import output_names
from explain.keras.layers import is_keras_model, layers_of
from explain.keras.masks import recorded_masks
from explain.keras.model.inspection import KerasInspection
from explain.keras.model.tracing import Beside


@dataclass(kw_only=True)
class KerasForwardPass(forward_pass.ForwardPass):
    """One run of a model, or one trace of it; see `explain.backends.forward_pass.ForwardPass`.

    It holds a weak reference to a Keras model, so that a cached trace does not keep the model alive.

    Parameters
    ----------
    reference : callable
        Returns the model.
    target_function : callable, optional
        A callable target.
    findings : list
        The finding of each reading of the output.
    notes : list
        Records of a computation: the calls of layers, or what the analysis of its trace needs.
    """

    inspection: KerasInspection
    reference: Callable[[], Any]
    target_function: Callable[[Any], Any] | None = None
    findings: list[Finding] = field(default_factory=list)
    notes: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, model: Any, inspection: KerasInspection, **settings: Any) -> Self:
        """Create the forward pass of a model; it holds a strong reference if the model is not a Keras model."""
        if not is_keras_model(model):
            return cls(reference=lambda: model, inspection=inspection, **settings)
        return cls(reference=weakref.ref(model), inspection=replace(inspection, model=None), **settings)

    @property
    def model(self) -> Any:
        """The model."""
        return self.reference()

    @property
    def model_name(self) -> str:
        """Name of the function, or of the model's class."""
        return getattr(self.model, "__name__", type(self.model).__name__)

    @property
    def layers(self) -> list[Any]:
        """The layers of a Keras model; an empty list for another model."""
        return layers_of(self.model) if is_keras_model(self.model) else []

    @property
    def plain(self) -> Self:
        """A pass that runs the model alike; what it makes of the output does not matter."""
        return self

    def outputs(self, points: Sequence[Any], beside: Beside) -> Any:
        """Give the explained output, shape (N, ...)."""
        return self.read(points, beside).explained

    def scores(self, points: Sequence[Any], beside: Beside) -> Any:
        """Give one number per example, shape (N,)."""
        return self.scores_of(self.outputs(points, beside), beside)

    @abstractmethod
    def scores_of(self, explained: Any, beside: Beside) -> Any:
        """Give one number per example from the explained output."""

    @abstractmethod
    def answers(self, points: Any, beside: Beside) -> tuple[Any, ...]:
        """Give outputs, gradients, scores and target indices (by default the predicted class) from one run.

        If the target does not fit the outputs, there are no gradients: another function raises the error.
        """

    @abstractmethod
    def gradients(self, points: Any, beside: Beside) -> tuple[tuple[Any, ...], Any]:
        """Give the gradient of every example's score to every input, and the scores."""

    @abstractmethod
    def unit_gradients(self, points: Any, beside: Beside) -> tuple[Any, Any]:
        """Give the output of the layer at the exit, and the gradient of the whole model's scores to it."""

    def recorded(self, places: Sequence[Place], points: Sequence[Any], beside: Beside) -> list[Any]:
        """Give the outputs of layers at some places."""
        with ExitStack() as stack:
            found = [stack.enter_context(place.kept()) for place in places]
            self.plain.read(points, beside)
        return [outputs[-1] for outputs in found]

    def received(self, places: Sequence[Place], points: Sequence[Any], beside: Beside) -> tuple[Any, ...]:
        """Give the first argument of the layers at some places."""
        with ExitStack() as stack:
            found = [stack.enter_context(place.received()) for place in places]
            self.plain.read(points, beside)
        # For other inputs a model may call other layers.
        return tuple(one[0] if one else self._nothing(beside) for one in found)

    def masks(self, points: Sequence[Any], beside: Beside) -> tuple[Any, ...]:
        """Give the masks that Keras layers compute from values, in the order of the calls."""
        with recorded_masks(self.layers) as masks:
            self.plain.read(points, beside)
        return tuple(masks)

    def read(self, points: Sequence[Any], beside: Beside) -> Reading:
        """Run the model; give its output and the explained output, batch first."""
        reading = self._reading(points, beside)
        self.findings.append(reading.finding)
        return reading

    def _reading(self, points: Sequence[Any], beside: Beside) -> Reading:
        companions, masks, held, outer, unmoved, _ = beside
        moved = points if self.entry is None else outer
        value = points[0] if len(points) else None
        contexts = [*self._state(held), *entering(self.readers, self.entry, moved, value)]
        keywords = {**self.question.forward_kwargs, **companions}
        rows = (*points, *unmoved)[0].shape[0]
        return self.read_inputs(moved, unmoved, masks[0] if masks else None, keywords, contexts, rows)

    @abstractmethod
    def _state(self, held: Sequence[Any]) -> list[AbstractContextManager[Any]]:
        """Give the contexts that fix the masks that layers compute, and what else a run finds in the model."""

    @abstractmethod
    def _nothing(self, beside: Beside) -> Any:
        """Give an array without values, one row per example."""

    def _run(
        self, inputs: Sequence[Any], keywords: Mapping[str, Any]
    ) -> tuple[Any, Sequence[RecordedActivation]]:
        model = self.model
        given, named = wired(model, self.question.wiring, inputs, keywords, keras=is_keras_model(model))
        with recorded_activations(self.layers) as recorded:
            return (self.inspection.model or model)(*given, **named), recorded

    def _output_names(self) -> Sequence[str]:
        return output_names(self.model) if is_keras_model(self.model) else ()

    @property
    def channels_first(self) -> bool:
        """Keras has channels last."""
        return False
