"""A forward pass of a model on JAX as a function of arrays, so that it can be traced."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp

from explain.backends.forward_pass import ForwardPass
from explain.backends.operations.endings import Ending
from explain.backends.places import entering
from explain.backends.protocol import Finding
from explain.backends.scoring import Reading, RecordedActivation, same
from explain.backends.stepwise import initial_state, map_state
from explain.errors import GradientError, ScoreError
from explain.jax_ext.model.endings import ending_in, without_activations
from explain.jax_ext.model.graph import Graph
from explain.jax_ext.model.inspection import JaxInspection
from explain.jax_ext.model.layers.calls import JaxPlace, noted_calls
from explain.jax_ext.model.scores import ARITHMETIC, pick_scores, scalars_of, scores_and_gradients
from explain.jax_ext.model.state import held_keras_layers, values_in_place, variables_of
from explain.jax_ext.model.tracing import Beside
from explain.keras.calls import recorded_activations, wired
from explain.keras.inspection import output_names
from explain.keras.layers import is_keras_model, layers_of, named_layers
from explain.keras.masks import recorded_masks


@dataclass(kw_only=True)
class JaxForwardPass(ForwardPass):
    """One run of a model on JAX, or one trace of it; see `explain.backends.forward_pass.ForwardPass`.

    It holds a weak reference to a Keras model, so that a cached trace does not keep the model alive.

    Parameters
    ----------
    reference : callable
        Returns the model.
    values : sequence of jax.Array
        The values of the variables of a Keras model.
    target_function : callable, optional
        A callable target.
    findings, notes : list
        The finding of each reading of the output, and the calls of layers if they are noted.
    kept : set of str
        Where the model keeps a state that a run changed.
    searched : bool
        Whether no layer was found to apply the activation at the end, so that a trace must show it.
    """

    arithmetic = ARITHMETIC
    inspection: JaxInspection
    reference: Callable[[], Any]
    values: Sequence[Any] = ()
    target_function: Callable[[Any], Any] | None = None
    findings: list[Finding] = field(default_factory=list)
    notes: list[Any] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    searched: bool = False

    @classmethod
    def of(cls, model: Any, inspection: JaxInspection, **settings: Any) -> JaxForwardPass:
        """Create the forward pass of a model; it holds a strong reference if the model is not a Keras model."""
        if inspection.function:
            return cls(reference=lambda: model, inspection=inspection, **settings)
        return cls(reference=weakref.ref(model), inspection=replace(inspection, model=None), **settings)

    @property
    def model(self) -> Any:
        """The model."""
        return self.reference()

    @property
    def layers(self) -> list[Any]:
        """The layers of a Keras model; an empty list for another model."""
        return layers_of(self.model) if is_keras_model(self.model) else []

    def outputs(self, points: Sequence[Any], beside: Beside) -> Any:
        """Give the explained output, shape (N, ...)."""
        return self.read(points, beside).explained

    def source(self, points: Sequence[Any], beside: Beside) -> Any:
        """Give the output that the model itself computes, or its logits if a layer applies the activation."""
        return self.read(points, beside).source

    def scores(self, points: Sequence[Any], beside: Beside) -> Any:
        """Give one number per example, shape (N,)."""
        return pick_scores(self.outputs(points, beside), self.target_function, beside[-1])

    def gradients(self, points: Sequence[Any], beside: Beside) -> tuple[tuple[Any, ...], Any]:
        """Give the gradient of every example's score to every input, and the scores."""
        scores, gradients, _ = scores_and_gradients(
            lambda moved: (self.scores(moved, beside), None), points, self.model_name
        )
        return gradients, scores

    @property
    def model_name(self) -> str:
        """Name of the model or of its class."""
        return getattr(self.model, "__name__", type(self.model).__name__)

    def answers(self, points: Sequence[Any], beside: Beside) -> tuple[Any, ...]:
        """Give outputs, gradients, scores and target indices (by default the predicted class) from one run.

        If the target does not fit the outputs, there are no gradients: another function raises the error.
        """

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

    def summed_gradients(
        self, points: Sequence[Any], nodes: Any, weights: Any, beside: Beside
    ) -> tuple[Any, ...]:
        """Give weighted sums of gradients over the nodes of each example, shape (N, M, ...).

        Parameters
        ----------
        points : sequence of jax.Array
            Shape (N, K, ...).
        nodes : jax.Array
            The nodes, shape (K,): only their number is used.
        weights : jax.Array
            Shape (M, K).
        beside : Beside
            One row per example.
        """
        count = len(nodes)
        repeated = jax.tree.map(lambda rows: jnp.repeat(rows, count, axis=0), beside)
        flat = [point.reshape(-1, *point.shape[2:]) for point in points]
        gradients, _ = self.gradients(flat, repeated)
        return tuple(
            # In full precision, which a GPU leaves otherwise.
            jnp.einsum(
                "mk,nk...->nm...", weights, one.reshape(point.shape), precision=jax.lax.Precision.HIGHEST
            )
            for one, point in zip(gradients, points, strict=True)
        )

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

    def recorded(self, places: Sequence[JaxPlace], points: Sequence[Any], beside: Beside) -> list[Any]:
        """Give the outputs of layers at some places."""
        with ExitStack() as stack:
            found = [stack.enter_context(place.kept()) for place in places]
            self.plain.read(points, beside)
        return [outputs[-1] for outputs in found]

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

    def received(self, places: Sequence[JaxPlace], points: Sequence[Any], beside: Beside) -> tuple[Any, ...]:
        """Give the first argument of the layers at some places."""
        with ExitStack() as stack:
            found = [stack.enter_context(place.received()) for place in places]
            self.plain.read(points, beside)
        # For other inputs a model may call other layers.
        return tuple(one[0] if one else jnp.zeros((len(beside[-1]), 0)) for one in found)

    def masks(self, points: Sequence[Any], beside: Beside) -> tuple[Any, ...]:
        """Give the masks that Keras layers compute from values, in the order of the calls."""
        with recorded_masks(self.layers) as masks:
            self.plain.read(points, beside)
        return tuple(masks)

    @property
    def plain(self) -> JaxForwardPass:
        """The same pass with the output as the model gives it."""
        question = replace(self.question, score="output")
        return replace(self, question=question, ending=None, findings=[])

    def read(self, points: Sequence[Any], beside: Beside) -> Reading:
        """Run the model; give its output and the explained output, batch first."""
        reading = self._without_activations(points, beside) or self._read(points, beside)
        self.findings.append(reading.finding)
        return reading

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

    def _read(self, points: Sequence[Any], beside: Beside) -> Reading:
        companions, masks, held, outer, unmoved, _ = beside
        moved = points if self.entry is None else outer
        value = points[0] if len(points) else None
        keras = is_keras_model(self.model)
        contexts = [
            values_in_place(variables_of(self.model), self.values, self.kept) if keras else nullcontext(),
            held_keras_layers(self.layers, held),
            *entering(self.readers, self.entry, moved, value),
        ]
        keywords = {**self.question.forward_kwargs, **companions}
        rows = len(jax.tree.leaves((tuple(points), unmoved))[0])
        return self.read_inputs(moved, unmoved, masks[0] if masks else None, keywords, contexts, rows)

    def _run(
        self, inputs: Sequence[Any], keywords: Mapping[str, Any]
    ) -> tuple[Any, Sequence[RecordedActivation]]:
        model = self.model
        given, named = wired(model, self.question.wiring, inputs, keywords, keras=is_keras_model(model))
        with recorded_activations(self.layers) as recorded:
            return model(*given, **named), recorded

    def _scalars_of(self, function: Callable[[Any], Any], outputs: Any, rows: int | None) -> Any:
        assert rows is not None, "points are here"
        return scalars_of(function, outputs, rows)

    def _continued(self, outputs: Any, following: Any) -> Any:
        rows = jnp.arange(len(outputs))[:, None]
        each = outputs[rows, following[..., 0], following[..., 1]] * following[..., 2].astype(outputs.dtype)
        return jnp.concatenate([each.sum(1, keepdims=True), each], 1)

    def _output_names(self) -> Sequence[str]:
        return output_names(self.model) if is_keras_model(self.model) else ()

    def _is_tensor(self, value: Any) -> bool:
        return isinstance(value, jax.Array)

    def _ending_of(self, output: Any) -> Ending | None:
        self.searched = True
        return self.ending

    def _replaced(self, output: Any, ending: Ending) -> Any:
        return None

    @property
    def channels_first(self) -> bool:
        """Keras has channels last."""
        return False

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
