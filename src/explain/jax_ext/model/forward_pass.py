"""A forward pass of a model on JAX as a function of arrays, so that it can be traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp

from explain.backends.operations.endings import Ending
from explain.backends.question import Finding
from explain.backends.scoring import Reading, same
from explain.backends.stepwise import initial_state, map_state
from explain.errors import GradientError, ScoreError
from explain.jax_ext.model.endings import ending_in, without_activations
from explain.jax_ext.model.graph import Graph
from explain.jax_ext.model.layers.calls import JaxPlace, noted_calls
from explain.jax_ext.model.scores import ARITHMETIC, pick_scores, scalars_of, scores_and_gradients
from explain.jax_ext.model.state import held_keras_layers, values_in_place, variables_of
from explain.keras.layers import is_keras_model, named_layers
from explain.keras.model.forward_pass import KerasForwardPass
from explain.keras.model.tracing import Beside
from explain.public_calls.passes import takes_passes


@dataclass(kw_only=True)
class JaxForwardPass(KerasForwardPass):
    """One run of a model on JAX, or one trace of it.

    Parameters
    ----------
    values : sequence of jax.Array
        The values of the variables of a Keras model.
    kept : set of str
        Where the model keeps a state that a run changed.
    searched : bool
        Whether no layer was found to apply the activation at the end, so that a trace must show it.
    """

    arithmetic = ARITHMETIC
    values: Sequence[Any] = ()
    kept: set[str] = field(default_factory=set)
    searched: bool = False

    @property
    def plain(self) -> JaxForwardPass:
        """The same pass with the output as the model gives it."""
        question = replace(self.question, score="output")
        return replace(self, question=question, ending=None, findings=[])

    def source(self, points: Sequence[Any], beside: Beside) -> Any:
        """Give the output that the model itself computes, or its logits if a layer applies the activation."""
        return self.read(points, beside).source

    def scores_of(self, explained: Any, beside: Beside) -> Any:
        """Give one number per example from the explained output."""
        return pick_scores(explained, self.target_function, beside[-1])

    @takes_passes()
    def gradients(self, points: Sequence[Any], beside: Beside) -> tuple[tuple[Any, ...], Any]:
        """Give the gradient of every example's score to every input, and the scores."""
        scores, gradients, _ = scores_and_gradients(
            lambda moved: (self.scores(moved, beside), None), points, self.model_name
        )
        return gradients, scores

    @takes_passes()
    def answers(self, points: Sequence[Any], beside: Beside) -> tuple[Any, ...]:
        """Give outputs, gradients, scores and target indices (by default the predicted class) from one run."""

        def answered(moved: Sequence[Any]) -> tuple[Any, Any]:
            outputs, indices = self.outputs(moved, beside), beside[-1]
            if indices.shape[-1] == 0 and outputs.ndim == 2:
                indices = jnp.argmax(outputs, axis=-1)[:, jnp.newaxis]
            fits = indices.shape[-1] == outputs.ndim - 1
            if fits and outputs.ndim > 1:
                # A later check rejects an index out of range; it must not stop this run.
                indices = jnp.clip(indices, 0, jnp.array(outputs.shape[1:]) - 1)
            scores = pick_scores(outputs, None, indices) if fits else jnp.zeros(0, outputs.dtype)
            return scores, (outputs, indices, fits)

        try:
            scores, gradients, (outputs, indices, fits) = scores_and_gradients(
                answered, points, self.model_name
            )
        except GradientError:
            return self.outputs(points, beside), (), jnp.zeros(0), beside[-1]
        return outputs, gradients if fits else (), scores, indices

    @takes_passes()
    def summed_gradients(
        self, points: Sequence[Any], nodes: Any, weights: Any, directions: Sequence[Any], beside: Beside
    ) -> tuple[tuple[Any, ...], Any]:
        """Give weighted sums of gradients over the nodes of each example, and their products with directions.

        Parameters
        ----------
        points : sequence of jax.Array
            Shape (N, K, ...).
        nodes : jax.Array
            The nodes, shape (K,): only their number is used.
        weights : jax.Array
            Shape (M, K).
        directions : sequence of jax.Array
            Shape (N, R, ...).
        beside : Beside
            One row per example.

        Returns
        -------
        tuple of jax.Array
            Shape (N, M, ...).
        jax.Array
            Shape (N, K, R).
        """
        count = len(nodes)
        repeated = jax.tree.map(lambda rows: jnp.repeat(rows, count, axis=0), beside)
        flat = [point.reshape(-1, *point.shape[2:]) for point in points]
        gradients, _ = self.gradients(flat, repeated)
        by_node = [one.reshape(point.shape) for one, point in zip(gradients, points, strict=True)]
        # In full precision, which a GPU leaves otherwise.
        precision = jax.lax.Precision.HIGHEST
        sums = tuple(jnp.einsum("mk,nk...->nm...", weights, one, precision=precision) for one in by_node)
        along = sum(
            jnp.einsum(
                "nkd,nrd->nkr",
                one.reshape(*one.shape[:2], -1),
                own.reshape(*own.shape[:2], one[0, 0].size),
                precision=precision,
            )
            for one, own in zip(by_node, directions, strict=True)
        )
        return sums, along

    @takes_passes()
    def unit_gradients(self, points: Sequence[Any], beside: Beside) -> tuple[Any, Any]:
        """Give the output of the layer at the exit, and the gradient of the whole model's scores to it."""
        place = self.exit
        assert isinstance(place, JaxPlace)
        units = self.source(points, beside)
        whole, wide = replace(self, exit=None), jnp.promote_types(units.dtype, jnp.float32)

        def shifted(shifts: Sequence[Any]) -> tuple[Any, Any]:
            with place.shifted(shifts[0]):
                return whole.scores(points, beside), None

        _, (gradient,), _ = scores_and_gradients(shifted, [jnp.zeros(units.shape, wide)], self.model_name)
        return units, gradient

    @takes_passes()
    def held_gradients(
        self, places: Sequence[tuple[int, JaxPlace]], points: Sequence[Any], beside: Beside
    ) -> tuple[Any, ...]:
        """Give the gradients of the scores to the inputs; in some rows the output at a place is a constant."""
        with ExitStack() as stack:
            for row, place in places:
                stack.enter_context(place.held(row, len(points[0])))
            return self.gradients(points, beside)[0]

    def layer_calls(self, points: Sequence[Any], beside: Beside) -> Any:
        """Note every call of a layer: its name and output shape."""
        with noted_calls(named_layers(self.model), self.notes):
            return self.plain.source(points, beside)

    def _reading(self, points: Sequence[Any], beside: Beside) -> Reading:
        return self._without_activations(points, beside) or super()._reading(points, beside)

    def _nothing(self, beside: Beside) -> Any:
        return jnp.zeros((len(beside[-1]), 0))

    def _state(self, held: Sequence[Any]) -> list[AbstractContextManager[Any]]:
        if not is_keras_model(self.model):
            return []
        values = values_in_place(variables_of(self.model), self.values, self.kept)
        return [values, held_keras_layers(self.layers, held)]

    def _without_activations(self, points: Sequence[Any], beside: Beside) -> Reading | None:
        """Run the model without the activations at its end, None if no such activations are known."""
        ending, wanted = self.ending, self.question.score
        if ending is None or not ending.moved or self.exit is not None or self.inspection.opaque:
            return None
        # The trace is of these numbers of rows: other numbers may have other operations.
        given = (tuple(points), beside)
        graph = Graph(jax.make_jaxpr(self.plain.source)(*given))
        now = ending_in(graph, graph.inputs)
        if now is None or not now.moved:
            raise ScoreError(
                f"score={wanted!r} cannot be computed: the model ends in a {ending.activation} for one example, not "
                f"for {len(beside[-1])}. Give score='output', or return logits from the model."
            )
        source = without_activations(graph, now, jax.tree.leaves(given), wanted)
        return Reading(source, same, Finding(wanted))

    def _scalars_of(self, function: Callable[[Any], Any], outputs: Any, rows: int | None) -> Any:
        assert rows is not None, "points are here"
        return scalars_of(function, outputs, rows)

    def _continued(self, outputs: Any, following: Any) -> Any:
        rows = jnp.arange(len(outputs))[:, None]
        each = outputs[rows, following[..., 0], following[..., 1]] * following[..., 2].astype(outputs.dtype)
        return jnp.concatenate([each.sum(1, keepdims=True), each], 1)

    def _is_tensor(self, value: Any) -> bool:
        return isinstance(value, jax.Array)

    def _ending_of(self, output: Any) -> Ending | None:
        self.searched = True
        return self.ending

    def _replaced(self, output: Any, ending: Ending) -> Any:
        return None

    def _with_moved_axis(self, tensor: Any, source: int, target: int) -> Any:
        return tensor if source == target else jnp.moveaxis(tensor, source, target)

    def _steps(self, inputs: Any, axis: int) -> Sequence[Any]:
        return [jnp.take(inputs, step, axis=axis) for step in range(inputs.shape[axis])]

    def _first_state(self, inputs: Any) -> Any:
        count = len(inputs)

        def spread(part: Any) -> Any:
            """Cast a state to the dtype of the input; repeat a single row for every example."""
            part = jnp.asarray(part, inputs.dtype)
            return jnp.repeat(part, count, axis=0) if len(part) == 1 else part

        start = initial_state(self.model, count, lambda rows, size: jnp.zeros((rows, size), inputs.dtype))
        return map_state(spread, start)

    def _where(self, real: Any, new: Any, old: Any) -> Any:
        return jnp.where(jnp.reshape(real, (-1, *([1] * (new.ndim - 1)))), new, old)
