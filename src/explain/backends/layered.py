"""What a backend whose layers can be reached answers alike in every framework."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, Self

from explain.backends.inspection import Inspection
from explain.backends.places import Place
from explain.backends.protocol import Primitive, Question
from explain.errors import ScoreError
from explain.inputs.examples import Array, Examples
from explain.inputs.layers import LayerCall


@dataclass(frozen=True)
class LastPass:
    """A forward pass over examples, kept for the gradients that are asked for next.

    Parameters
    ----------
    examples : Examples
        What the model was run on.
    results : object
        What the extension keeps of it.
    """

    examples: Examples
    results: Any

    def is_over(self, examples: Examples) -> bool:
        """Tell whether it was over these very inputs, whatever the target."""
        return self.examples.inputs is examples.inputs and self.examples.held is examples.held


class Layered(ABC):
    """An opened model that can be entered or left at a layer: then it is the same backend in the same session.

    Parameters
    ----------
    model_name : str
        Class name of the model.
    inspection : Inspection
        The kind of the model.
    question : Question
        What is asked of it.

    Raises
    ------
    ScoreError
        If probabilities are asked of a model whose layers cannot be reached.
    """

    provides: frozenset[Primitive] = frozenset(
        {"outputs", "gradients", "path_gradients", "layers", "backward_rules"}
    )
    """The primitives that a model answers whose inside can be reached."""

    fixed_batch_size: int | None = None
    """The only batch size that the model takes, None if any."""

    takes_several_inputs = True
    """Whether the model may be given several inputs."""

    skips_affine_prefix = True
    """Whether a path is taken at the end of the model's affine prefix, where it has one."""

    entry: Place | None = None
    """Where the model is entered, if the points are the output of a layer."""

    readers: tuple[tuple[int, Place], ...] = ()
    """Where the moved inputs enter, by their places, that are the output of an embedding."""

    exit: Place | None = None
    """Where the model is left, if the output of a layer is what is explained."""

    last_pass: LastPass | None = None
    """The forward pass that `outputs` kept for the gradients of the same examples."""

    def __init__(self, model_name: str, inspection: Inspection, question: Question) -> None:
        if inspection.opaque and question.score not in ("logit", "output"):
            raise ScoreError(
                f"score={question.score!r} cannot be had of a model whose inside cannot be reached, since it is not "
                "known what its output is: say score='output', or give the original model."
            )
        self.model_name = model_name
        self.inspection = inspection
        self.question = question
        self.fixed_batch_size = inspection.fixed_batch_size
        if not inspection.has_layers:
            self.provides = self.provides - {"layers"}

    @property
    @abstractmethod
    def named_layers(self) -> Mapping[str, Any]:
        """The layers of the model by name."""

    @abstractmethod
    def place_of(self, call: LayerCall) -> Place:
        """Give the place of a call, at which the model can be entered or left."""

    def forget(self) -> None:
        """Drop what was kept of the model as it was entered and left before."""
        self.last_pass = None

    def layer_names(self) -> Mapping[int, str]:
        """Give the names of the layers by the identity of the layer."""
        return {id(layer): name for name, layer in self.named_layers.items()}

    @abstractmethod
    def activations(self, call: LayerCall, examples: Examples) -> Array:
        """Give what a layer gives at a call for each example, shape (N, ...)."""

    @abstractmethod
    def gradients(self, examples: Examples) -> tuple[tuple[Array, ...], Array]:
        """Give the gradient of every example's score to every input, and the scores, shape (N,)."""

    @abstractmethod
    def in_one_run(self, call: LayerCall, examples: Examples) -> tuple[Array, Array]:
        """Give units and gradients from one run of the model."""

    def units_and_gradients(self, call: LayerCall, examples: Examples) -> tuple[Array, Array]:
        """Give what `activations` gives, and the gradient of every example's score to it."""
        entered = [self.entry, *(reader for _, reader in self.readers)]
        if self.place_of(call) in entered:
            # The layer's output is replaced there already: it is replaced once more by the units themselves.
            units = self.activations(call, examples)
            (slopes,), _ = self.at(call).gradients(examples.at_layer(units, None))
            return units, slopes
        units, slopes = self.in_one_run(call, self.padded(examples))
        return units[: len(examples)], slopes[: len(examples)]

    def padded(self, examples: Examples) -> Examples:
        """Give as many examples as a fixed batch has, the last one repeated."""
        return examples if self.fixed_batch_size is None else examples.padded(self.fixed_batch_size)

    def at(self, call: LayerCall) -> Self:
        """Give the same model seen from what a layer gives at a call."""
        seen = copy(self)
        seen.entry = self.place_of(call)
        # What is affine in the input may lie before the layer.
        seen.skips_affine_prefix = False
        seen.forget()
        return seen

    def reading(self, calls: Mapping[int, LayerCall]) -> Self:
        """Give the same model with some of its moved inputs put in the place of what a call gives."""
        seen = copy(self)
        seen.readers = tuple((place, self.place_of(call)) for place, call in calls.items())
        seen.forget()
        return seen

    def until(self, call: LayerCall) -> Self:
        """Give the model up to what a layer gives at a call, which is then its output."""
        seen = copy(self)
        seen.exit = self.place_of(call)
        seen.forget()
        return seen
