"""What a backend whose layers can be reached answers alike in every framework."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import copy
from typing import Any, Self

from explain.backends.protocol import Primitive
from explain.inputs.examples import Array, Examples
from explain.inputs.layers import LayerCall


class Layered(ABC):
    """Sees a model from a layer, or up to one: the same backend in the same session, with a place to enter or leave."""

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

    entry: Any = None
    """Where the model is entered, if points are what a layer gives."""

    readers: tuple[tuple[int, Any], ...] = ()
    """Where moved inputs, by their places, enter that are what an embedding gives for token ids."""

    exit: Any = None
    """Where the model is left, if what a layer gives is its output."""

    @property
    @abstractmethod
    def named_layers(self) -> Mapping[str, Any]:
        """The layers of the model by name."""

    @abstractmethod
    def place_of(self, call: LayerCall) -> Any:
        """Give the place of a call, at which the model can be entered or left."""

    @abstractmethod
    def forget(self) -> None:
        """Drop what was kept of the model as it was seen before."""

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
            # What the layer gives there is exchanged already: it is exchanged again for what it gives.
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
