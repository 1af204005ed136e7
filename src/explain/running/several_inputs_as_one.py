"""A model of several inputs, wrapped as a model of one: all of them packed, or one while the others stay fixed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import replace
from typing import Any, Self

import numpy as np

from explain.backends.chunks import ChunkRunner
from explain.backends.found import RuleGradients
from explain.backends.operations.attention_rows import Attentions
from explain.backends.protocol import Ahead, LayeredBackend, Primitive, Rule
from explain.backends.question import Finding
from explain.inputs.examples import Array, Arrays, Examples
from explain.inputs.layer_calls import LayerCall
from explain.inputs.packing import Part, unpacked
from explain.running.paths.path_gradients import path_sums
from explain.running.paths.path_sums import ArrangedSums, PathSums


class _Rearranged(ABC):
    """A wrapper of a backend that passes the same examples to it in another arrangement.

    At a layer, both arrangements of the layer's output are the same; only the model's own inputs
    (`Examples.outer`) differ.
    """

    def __init__(self, inner: LayeredBackend) -> None:
        self.inner = inner
        self.name = inner.name
        self.provides: frozenset[Primitive] = inner.provides
        self.takes_several_inputs = True
        self.dtype = inner.dtype
        self.model_name = inner.model_name
        self.device_name = inner.device_name
        self._at_layer = False
        # The last examples, as given and rearranged: the inner backend caches by identity.
        self._last: tuple[Any, tuple[Array, ...]] | None = None

    @abstractmethod
    def _inwards(self, inputs: tuple[Array, ...], unmoved: tuple[Array, ...]) -> tuple[Array, ...]:
        """Give inputs in the inner arrangement."""

    @abstractmethod
    def _outwards(self, gradients: tuple[Array, ...]) -> tuple[Array, ...]:
        """Give inner gradients, shape (..., N, ...), in the outer arrangement."""

    @abstractmethod
    def _beside(self, unmoved: tuple[Array, ...]) -> tuple[Array, ...]:
        """Give the inputs that stay fixed, in the inner arrangement."""

    def inside(self, examples: Examples) -> Examples:
        """Give examples in the inner arrangement."""
        own = examples.outer if self._at_layer else examples.inputs
        if self._last is None or self._last[0] is not own:
            self._last = own, self._inwards(own, examples.unmoved)
        inner = self._last[1]
        # A padding mask refers to positions of the outer arrangement.
        rearranged = replace(examples, unmoved=self._beside(examples.unmoved), mask=None)
        return replace(rearranged, outer=inner) if self._at_layer else rearranged.with_inputs(inner)

    @property
    def fixed_batch_size(self) -> int | None:
        """The only batch size that the model takes, None if any."""
        return self.inner.fixed_batch_size

    @fixed_batch_size.setter
    def fixed_batch_size(self, size: int | None) -> None:
        self.inner.fixed_batch_size = size

    def kept_state(self) -> tuple[str, ...]:
        """Name where the model keeps a state that the last call changed."""
        return self.inner.kept_state()

    @property
    def structure_token(self) -> Hashable:
        """A value that stays the same as long as the structure of the model does; None for a backend without layers."""
        token: Hashable = getattr(self.inner, "structure_token", None)
        return token

    @property
    def named_layers(self) -> Mapping[str, Any]:
        """The layers of the model by name."""
        return self.inner.named_layers

    def session(self) -> AbstractContextManager[None]:
        """Lock the model and put it in inference mode; restore it on exit."""
        return self.inner.session()

    def hold(self, examples: Examples) -> Examples:
        """Fill in `Examples.held`."""
        return replace(examples, held=self.inner.hold(self.inside(examples)).held)

    def outputs(self, examples: Examples, *, ahead: Ahead | None = None) -> tuple[Array, Finding]:
        """Give the explained output of each example."""
        return self.inner.outputs(self.inside(examples), ahead=ahead)

    def reseeded(self) -> AbstractContextManager[None]:
        """Make random layers draw other numbers."""
        return self.inner.reseeded()

    def scores(self, examples: Examples) -> Array:
        """Give one number per example."""
        return self.inner.scores(self.inside(examples))

    def gradients(self, examples: Examples) -> tuple[tuple[Array, ...], Array]:
        """Give the gradients to the moved inputs, and the scores."""
        gradients, scores = self.inner.gradients(self.inside(examples))
        return self._arranged(gradients), scores

    def path_gradients(
        self, examples: Examples, baselines: Arrays, alphas: Array, weights: Array, executor: ChunkRunner
    ) -> Arrays:
        """Give weighted sums of gradients along the straight path of the moved inputs."""
        starts = self._starts(baselines, examples)
        return self._arranged(
            self.inner.path_gradients(self.inside(examples), starts, alphas, weights, executor)
        )

    def path_sums(
        self, examples: Examples, baselines: Arrays, directions: Arrays, executor: ChunkRunner, n_nodes: int
    ) -> PathSums:
        """Give sums of the gradients along the straight path of the moved inputs that can grow."""
        inside, starts = self.inside(examples), self._starts(baselines, examples)
        inner = directions if self._at_layer else self._moves(directions[0], examples)
        found = path_sums(self.inner, inside, starts, inner, executor, n_nodes)
        return ArrangedSums(found, self._arranged)

    def rule_gradients(
        self, examples: Examples, rule: Rule, baselines: tuple[Array, ...] | None = None, epsilon: float = 0.0
    ) -> RuleGradients:
        """Give the result of a rule's backward pass at the moved inputs."""
        starts = None if baselines is None else self._starts(baselines, examples)
        found = self.inner.rule_gradients(self.inside(examples), rule, starts, epsilon)
        return found._replace(gradients=self._arranged(found.gradients))

    def attentions(self, examples: Examples) -> Attentions:
        """Give the weights of every attention on the way to the scores, and the gradients of the scores to them."""
        return self.inner.attentions(self.inside(examples))

    def has_kinks(self, examples: Examples) -> bool:
        """Tell whether gradients may jump along a path."""
        return self.inner.has_kinks(self.inside(examples))

    def bytes_per_point(self, examples: Examples) -> int:
        """Estimate the memory that one more example needs."""
        return self.inner.bytes_per_point(self.inside(examples))

    def free_memory(self) -> int:
        """Give the free memory of the device that computes."""
        return self.inner.free_memory()

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Tell whether an error says that memory ran out."""
        return self.inner.is_out_of_memory(error)

    def synchronize(self) -> None:
        """Wait for the device."""
        self.inner.synchronize()

    def layer_calls(
        self, examples: Examples, *, until_failure: bool = False, operations: bool = False
    ) -> tuple[LayerCall, ...]:
        """Give every call of a layer."""
        return self.inner.layer_calls(
            self.inside(examples), until_failure=until_failure, operations=operations
        )

    def layer_names(self) -> Mapping[int, str]:
        """Give the names of the layers by the identity of the layer."""
        return self.inner.layer_names()

    def activations(self, call: LayerCall, examples: Examples) -> Array:
        """Give the output of a layer at a call."""
        return self.inner.activations(call, self.inside(examples))

    def received(self, calls: Sequence[LayerCall], examples: Examples) -> tuple[Array, ...]:
        """Give what layers at some calls receive."""
        return self.inner.received(calls, self.inside(examples))

    def keeps_order(self, call: LayerCall, examples: Examples) -> bool:
        """Tell whether the rows of a call are known to be in the order of the examples."""
        return self.inner.keeps_order(call, self.inside(examples))

    def units_and_gradients(self, call: LayerCall, examples: Examples) -> tuple[Array, Array]:
        """Give the output of a layer at a call, and the gradients to it."""
        return self.inner.units_and_gradients(call, self.inside(examples))

    @property
    def observed(self) -> dict[Hashable, Any]:
        """What was observed of the model."""
        return self.inner.observed

    def recorded(self, calls: Sequence[LayerCall], examples: Examples) -> tuple[Array, ...]:
        """Give the outputs of layers at some calls."""
        return self.inner.recorded(calls, self.inside(examples))

    def gradients_without(self, calls: Sequence[LayerCall | None], examples: Examples) -> tuple[Array, ...]:
        """Give the gradients to the moved inputs, if in each row the output of one call were a constant."""
        return self._arranged(self.inner.gradients_without(calls, self.inside(examples)))

    def at(self, call: LayerCall) -> Self:
        """Give the same model, with a layer's output as its input."""
        return self._in_front_of(self.inner.at(call), at_layer=True)

    def until(self, call: LayerCall) -> Self:
        """Give the model up to a layer's output."""
        return self._in_front_of(self.inner.until(call), at_layer=self._at_layer)

    def reading(self, calls: Mapping[int, LayerCall]) -> Self:
        """Give the same model with inner inputs put in place of the outputs of calls."""
        return self._in_front_of(self.inner.reading(calls), at_layer=self._at_layer)

    def _in_front_of(self, inner: LayeredBackend, *, at_layer: bool) -> Self:
        other = copy(self)
        other.inner, other._at_layer, other._last = inner, at_layer, None
        return other

    def _arranged(self, gradients: tuple[Array, ...]) -> tuple[Array, ...]:
        return gradients if self._at_layer else self._outwards(gradients)

    def _moves(self, directions: Array, examples: Examples) -> tuple[Array, ...]:
        """Give directions, shape (N, R, ...), in the inner arrangement; inputs that stay fixed do not move."""
        flat = directions.reshape(-1, *directions.shape[2:])
        still = tuple(np.zeros((len(flat), *one.shape[1:]), one.dtype) for one in examples.unmoved)
        moved = self._inwards((flat,), still)
        return tuple(one.reshape(*directions.shape[:2], *one.shape[1:]) for one in moved)

    def _starts(self, baselines: tuple[Array, ...], examples: Examples) -> tuple[Array, ...]:
        return baselines if self._at_layer else self._inwards(baselines, examples.unmoved)


class Joint(_Rearranged):
    """Several inputs as one: each example is a row, and every moved input is a part of it.

    Parameters
    ----------
    inner : LayeredBackend
        The model, which takes each part as an input.
    parts : tuple of Part
        The positions of the parts in a row.
    """

    def __init__(self, inner: LayeredBackend, parts: tuple[Part, ...]) -> None:
        super().__init__(inner)
        self.parts = parts

    def _inwards(self, inputs: tuple[Array, ...], unmoved: tuple[Array, ...]) -> tuple[Array, ...]:
        (rows,) = inputs
        return unpacked(rows, self.parts)

    def _outwards(self, gradients: tuple[Array, ...]) -> tuple[Array, ...]:
        rows = [part.flat(gradient) for part, gradient in zip(self.parts, gradients, strict=True)]
        return (np.concatenate(rows, axis=-1),)

    def _beside(self, unmoved: tuple[Array, ...]) -> tuple[Array, ...]:
        return unmoved


class Alone(_Rearranged):
    """One of several inputs by itself, the others fixed at the example's values.

    Examples contain the one input; the packed row of all inputs is the first of the fixed inputs.

    Parameters
    ----------
    joint : Joint
        The model with all its inputs in one row.
    part : Part
        The moved input.
    """

    def __init__(self, joint: Joint, part: Part) -> None:
        super().__init__(joint)
        self.part = part

    def _inwards(self, inputs: tuple[Array, ...], unmoved: tuple[Array, ...]) -> tuple[Array, ...]:
        (one,) = inputs
        rows = unmoved[0].copy()
        rows[:, self.part.columns] = self.part.flat(one)
        return (rows,)

    def _outwards(self, gradients: tuple[Array, ...]) -> tuple[Array, ...]:
        (rows,) = gradients
        return (np.ascontiguousarray(self.part.shaped(rows[..., self.part.columns])),)

    def _beside(self, unmoved: tuple[Array, ...]) -> tuple[Array, ...]:
        return unmoved[1:]
