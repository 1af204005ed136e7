"""The contract of a backend, as tests that a backend's own test suite runs.

A third-party backend subclasses `BackendContract` and supplies models; pytest runs the tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast, get_args

import numpy as np

from explain.backends.protocol import Backend, Extension, LayeredBackend, Rule
from explain.backends.question import Question
from explain.errors import GradientError, LayerError, UnsupportedModelError
from explain.inputs.examples import Array, Examples, Target
from explain.inputs.layout import Layout
from explain.running.execution import Executor
from explain.running.paths.path_gradients import path_sums
from explain.running.paths.quadrature import nodes_and_weights


@dataclass(frozen=True)
class ContractModel:
    """A model on which the contract is tested.

    Parameters
    ----------
    name : str
        Its name in failure messages.
    model : object
        A smooth model (no ReLU at a tie) in double precision, with logits of shape (N, classes), at least 2.
    x : numpy.ndarray of float64
        At least three examples, or two if the model takes only two at once, in the model's layout.
    layout : str
        Their axes, batch first.
    """

    name: str
    model: Any
    x: Array
    layout: str


class BackendContract:
    """Every primitive, tested against finite differences and against the other primitives.

    Subclass it in a test module, and define `extension` and `models`. Primitives that a backend does not
    provide are not tested.

    Examples
    --------
    >>> class TestMine(BackendContract):
    ...     extension = None  # my extension
    ...     def models(self):
    ...         return [ContractModel("dense", None, np.zeros((3, 4)), "NC")]
    """

    extension: Extension

    def models(self) -> Sequence[ContractModel]:
        """Give the models to test on."""
        raise TypeError(f"{type(self).__name__} must give its models: override models().")

    @contextmanager
    def _opened(self, given: ContractModel) -> Iterator[tuple[Backend, Examples]]:
        question = Question(Layout(given.layout), score="output")
        backend = self.extension.open(given.model, question, given.x)
        # A backend gets no more examples at once than its model takes.
        x = given.x[: backend.fixed_batch_size].astype(backend.dtype)
        classes = np.arange(len(x), dtype=np.int64)[:, np.newaxis] % 2
        with backend.session():
            yield backend, backend.hold(Examples((x,), Target(indices=classes)))

    def test_recognises_its_models_and_nothing_else(self) -> None:
        """The recogniser accepts the backend's models, and nothing else."""
        for given in self.models():
            assert self.extension.recognises(given.model), given.name
        for stranger in (3, "model", None, np.zeros(3), object()):
            assert not self.extension.recognises(stranger)

    def test_outputs_have_one_finite_row_an_example(self) -> None:
        """`outputs` gives (N, classes)."""
        for given in self.models():
            with self._opened(given) as (backend, examples):
                outputs, finding = backend.outputs(examples)
            assert outputs.ndim == 2, given.name
            assert len(outputs) == len(examples)
            assert outputs.shape[1] >= 2
            assert np.isfinite(outputs).all()
            assert finding.score == "output"

    def test_scores_are_the_outputs_at_the_target(self) -> None:
        """`scores` equals `outputs` at the target."""
        for given in self.models():
            with self._opened(given) as (backend, examples):
                outputs, _ = backend.outputs(examples)
                scores = backend.scores(examples)
            indices = examples.target.indices
            assert indices is not None
            expected = outputs[np.arange(len(outputs)), indices[:, 0]]
            np.testing.assert_allclose(scores, expected, rtol=1e-9, atol=1e-12, err_msg=given.name)

    def test_gradients_are_finite_differences_of_the_scores(self) -> None:
        """`gradients` agrees with central differences in random directions."""
        generator = np.random.default_rng(0)
        for given in self.models():
            with self._opened(given) as (backend, examples):
                if "gradients" not in backend.provides:
                    continue
                (gradient,), scores = backend.gradients(examples)
                np.testing.assert_allclose(scores, backend.scores(examples), rtol=1e-9, atol=1e-12)
                assert gradient.shape == examples.inputs[0].shape
                for _ in range(4):
                    direction = generator.normal(size=gradient.shape)
                    step = 1e-5
                    ahead, behind = (
                        backend.scores(examples.with_inputs((examples.inputs[0] + sign * step * direction,)))
                        for sign in (1, -1)
                    )
                    expected = (ahead - behind) / (2 * step)
                    found = (gradient * direction).reshape(len(gradient), -1).sum(axis=1)
                    # Central differences of a smooth double-precision score are accurate to about step².
                    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8, err_msg=given.name)

    def test_path_gradients_are_the_weighted_sum_of_gradients(self) -> None:
        """`path_gradients` equals `gradients` at each point, summed by hand."""
        for given in self.models():
            with self._opened(given) as (backend, examples):
                if "path_gradients" not in backend.provides:
                    continue
                start = np.full_like(examples.inputs[0], 0.1)
                nodes, weights = nodes_and_weights("gauss_legendre", 5, backend.dtype)
                # Two sums over the same gradients.
                rows = np.stack([weights, weights[::-1] * np.arange(5)])
                executor = Executor(backend.fixed_batch_size or 64)
                (found,) = backend.path_gradients(examples, (start,), nodes, rows, executor)
                assert found.shape == (2, *start.shape), given.name
                expected = np.zeros_like(found)
                for node, share in zip(nodes, rows.T, strict=True):
                    point = start + node * (examples.inputs[0] - start)
                    gradient = backend.gradients(examples.with_inputs((point,)))[0][0]
                    expected += np.multiply.outer(share, gradient)
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12, err_msg=given.name)

    def test_path_gradients_do_not_depend_on_the_chunk_size(self) -> None:
        """Any size gives the same sum."""
        for given in self.models():
            with self._opened(given) as (backend, examples):
                if "path_gradients" not in backend.provides:
                    continue
                start = np.zeros_like(examples.inputs[0])
                nodes, weights = nodes_and_weights("midpoint", 7, backend.dtype)
                sizes = [1, 3, 8, 1000] if backend.fixed_batch_size is None else [backend.fixed_batch_size]
                found = [
                    backend.path_gradients(examples, (start,), nodes, weights[np.newaxis], Executor(size))[0]
                    for size in sizes
                ]
            for one in found[1:]:
                np.testing.assert_allclose(one, found[0], rtol=1e-9, atol=1e-12, err_msg=given.name)

    def test_path_sums_grow_and_tell_their_directions(self) -> None:
        """Sums that grow in two calls equal the sums of one; products with directions are those of the gradients."""
        generator = np.random.default_rng(1)
        nodes, weights = nodes_and_weights("gauss_legendre", 6)
        # One gradient a sum; then the two sums become one, and another takes the rest.
        first, then = np.zeros((2, 3)), np.zeros((2, 3))
        first[[0, 1, 1], range(3)], then[[0, 1, 1], range(3)] = weights[:3], weights[3:]
        for given in self.models():
            with self._opened(given) as (backend, examples):
                if "path_gradients" not in backend.provides:
                    continue
                end, dtype = examples.inputs[0], backend.dtype
                start = np.full_like(end, 0.1)
                directions = generator.normal(size=(len(end), 4, *end.shape[1:])).astype(dtype)
                executor = Executor(backend.fixed_batch_size or 5)
                sums = path_sums(backend, examples, (start,), (directions,), executor, 1000)
                along = [sums.add(nodes[:3].astype(dtype), first.astype(dtype))]
                rows = np.arange(len(end))
                sums.finish(np.array([1.0, 0.0], dtype), rows[:1])
                if backend.fixed_batch_size is None:
                    # The last takes the place of the first.
                    rows = np.concatenate([rows[-1:], rows[1:-1]])
                    sums.keep(rows)
                along.append(sums.add(nodes[3:].astype(dtype), then.astype(dtype), np.zeros(2, np.intp)))
                (found,) = sums.combined(np.array([[1, 1], [0, 2]], dtype), np.arange(len(rows)))
                (finished,) = sums.finished()
                gradients = np.stack(
                    [
                        backend.gradients(examples.with_inputs((start + node * (end - start),)))[0][0]
                        for node in nodes.astype(dtype)
                    ]
                )
            near = partial(np.testing.assert_allclose, rtol=1e-7, atol=1e-10, err_msg=given.name)
            expected = np.tensordot(weights, gradients, 1)[rows]
            near(found[0], expected)
            last = np.tensordot(2 * then[1], gradients[3:], 1)[rows]
            near(found[1], last)
            near(finished, weights[0] * gradients[0, :1])
            products = np.einsum(
                "knd,nrd->knr",
                gradients.reshape(*gradients.shape[:2], -1),
                directions.reshape(*directions.shape[:2], -1),
            )
            near(along[0], products[:3])
            near(along[1], products[3:][:, rows])

    def test_rules_without_a_relu_are_the_gradient(self) -> None:
        """`rule_gradients` of a model without a ReLU is the gradient, with a count of zero; rows do not mix."""
        for given in self.models():
            with self._opened(given) as (backend, examples):
                if "backward_rules" not in backend.provides:
                    continue
                (gradient,), _ = backend.gradients(examples)
                (guided,), changed, _ = backend.rule_gradients(examples, "guided")
                (alone,) = backend.rule_gradients(examples.rows(slice(1, 2)), "deconvolution").gradients
            assert changed == 0, given.name
            np.testing.assert_allclose(guided, gradient, rtol=1e-9, atol=1e-12, err_msg=given.name)
            np.testing.assert_allclose(alone, gradient[1:2], rtol=1e-9, atol=1e-12, err_msg=given.name)

    def test_rescaled_gradients_share_out_the_difference_of_the_scores(self) -> None:
        """`rule_gradients` by the rescale rule, times (input − baseline), sums to the score difference.

        It may also raise `UnsupportedModelError`.
        """
        for given in self.models():
            with self._opened(given) as (backend, examples):
                if "backward_rules" not in backend.provides:
                    continue
                base = np.full_like(examples.inputs[0], 0.1)
                try:
                    (slope,), _, at_base = backend.rule_gradients(examples, "rescale", (base,))
                except UnsupportedModelError:
                    continue
                assert at_base is not None, given.name
                separately = backend.scores(examples.with_inputs((base,)))
                expected = backend.scores(examples) - at_base
            shared = ((examples.inputs[0] - base) * slope).reshape(len(examples), -1).sum(axis=1)
            np.testing.assert_allclose(at_base, separately, rtol=1e-9, atol=1e-12, err_msg=given.name)
            np.testing.assert_allclose(shared, expected, rtol=1e-8, atol=1e-10, err_msg=given.name)

    def test_what_is_announced_changes_no_value(self) -> None:
        """After `outputs(ahead=...)`, `gradients` and `rule_gradients` give what they give without it."""
        rules: tuple[Rule, ...] = get_args(Rule)
        for given in self.models():
            with self._opened(given) as (backend, examples):
                if "gradients" not in backend.provides:
                    continue
                plain, _ = backend.outputs(examples)
                announced, _ = backend.outputs(examples, ahead="gradients")
                shared, _ = backend.gradients(examples)
                np.testing.assert_allclose(announced, plain, rtol=1e-9, atol=1e-12, err_msg=given.name)
                np.testing.assert_allclose(
                    shared[0], backend.gradients(examples)[0][0], rtol=1e-9, atol=1e-12, err_msg=given.name
                )
                for rule in rules if "backward_rules" in backend.provides else ():
                    baselines = (np.full_like(examples.inputs[0], 0.1),) if rule == "rescale" else None
                    try:
                        (alone,) = backend.rule_gradients(examples, rule, baselines).gradients
                    except UnsupportedModelError:
                        continue
                    announced, _ = backend.outputs(examples, ahead=rule)
                    (found,) = backend.rule_gradients(examples, rule, baselines).gradients
                    np.testing.assert_allclose(announced, plain, rtol=1e-9, atol=1e-12, err_msg=given.name)
                    np.testing.assert_allclose(found, alone, rtol=1e-9, atol=1e-12, err_msg=given.name)

    def test_an_announced_layer_changes_no_value(self) -> None:
        """After `outputs(ahead=call)`, `units_and_gradients` at the call gives what it gives without it."""
        for given in self.models():
            with self._opened(given) as (backend, examples):
                if not {"gradients", "layers"} <= backend.provides:
                    continue
                layered = cast(LayeredBackend, backend)
                plain, _ = layered.outputs(examples)
                for call in layered.layer_calls(examples):
                    try:
                        expected = layered.units_and_gradients(call, examples)
                    except (GradientError, LayerError):
                        # A layer that the score does not depend on, or that has no row for each example.
                        continue
                    announced, _ = layered.outputs(examples, ahead=call)
                    found = layered.units_and_gradients(call, examples)
                    shared, _ = layered.gradients(examples)
                    np.testing.assert_allclose(announced, plain, rtol=1e-9, atol=1e-12, err_msg=given.name)
                    for one, other in zip(found, expected, strict=True):
                        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12, err_msg=given.name)
                    (alone, *_), _ = layered.gradients(examples)
                    np.testing.assert_allclose(shared[0], alone, rtol=1e-9, atol=1e-12, err_msg=given.name)

    def test_relevance_is_shared_out_to_what_is_there(self) -> None:
        """`rule_gradients` by the epsilon rules: rows do not mix, and a large epsilon absorbs everything."""
        for given in self.models():
            with self._opened(given) as (backend, examples):
                if "backward_rules" not in backend.provides:
                    continue
                for rule in ("epsilon", "epsilon_plus"):
                    (shares,), changed, _ = backend.rule_gradients(examples, rule)
                    (alone,) = backend.rule_gradients(examples.rows(slice(1, 2)), rule).gradients
                    (absorbed,) = backend.rule_gradients(examples, rule, epsilon=1e30).gradients
                    assert changed > 0, given.name
                    assert shares.shape == examples.inputs[0].shape
                    assert np.isfinite(shares).all()
                    assert np.abs(shares).max() > 1e-9
                    np.testing.assert_allclose(alone, shares[1:2], rtol=1e-9, atol=1e-12, err_msg=given.name)
                    np.testing.assert_allclose(absorbed, 0, atol=1e-12, err_msg=given.name)

    def test_attentions_are_shares_of_their_own_example(self) -> None:
        """`attentions` gives rows that sum to one, or to zero, and their gradients; rows of examples do not mix."""
        for given in self.models():
            with self._opened(given) as (backend, examples):
                if "attentions" not in backend.provides:
                    continue
                try:
                    found = backend.attentions(examples)
                except UnsupportedModelError:
                    continue
                alone = backend.attentions(examples.rows(slice(1, 2)))
            for weights, gradients in zip(found.weights, found.gradients, strict=True):
                sums = weights.sum(axis=-1)
                assert ((np.abs(sums - 1) < 1e-9) | (sums == 0)).all(), given.name
                assert gradients.shape == weights.shape
                assert np.isfinite(gradients).all()
            for one, other in zip(
                (*alone.weights, *alone.gradients), (*found.weights, *found.gradients), strict=True
            ):
                np.testing.assert_allclose(one, other[1:2], rtol=1e-9, atol=1e-12, err_msg=given.name)

    def test_memory_is_estimated(self) -> None:
        """A point needs at least its own input, and some memory is free."""
        for given in self.models():
            with self._opened(given) as (backend, examples):
                need = backend.bytes_per_point(examples)
                assert need >= examples.inputs[0][0].nbytes, given.name
                assert backend.free_memory() > need
                assert backend.device_name
                backend.synchronize()

    def test_rows_do_not_mix(self) -> None:
        """An example's score and gradient do not depend on the other examples."""
        for given in self.models():
            with self._opened(given) as (backend, examples):
                second = examples.rows(slice(1, 2))
                pairs = [(backend.scores(examples), backend.scores(second))]
                if "gradients" in backend.provides:
                    pairs.append((backend.gradients(examples)[0][0], backend.gradients(second)[0][0]))
            for together, alone in pairs:
                np.testing.assert_allclose(alone, together[1:2], rtol=1e-9, atol=1e-12, err_msg=given.name)

    def test_callable_targets_get_the_outputs(self) -> None:
        """A callable that picks a class gives the same result as the index of the class."""
        for given in self.models():
            with self._opened(given) as (backend, examples):
                by_index = examples.with_target(Target(indices=np.ones((len(examples), 1), np.int64)))
                by_function = examples.with_target(Target(function=lambda outputs: outputs[:, 1]))
                pairs = [(backend.scores(by_index), backend.scores(by_function))]
                if "gradients" in backend.provides:
                    pairs.append((backend.gradients(by_index)[0][0], backend.gradients(by_function)[0][0]))
            for expected, found in pairs:
                np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12, err_msg=given.name)

    def test_the_same_call_gives_the_same_bytes(self) -> None:
        """No call changes the result of the next."""
        for given in self.models():
            with self._opened(given) as (backend, examples):
                pairs = [(backend.scores(examples), backend.scores(examples))]
                if "gradients" in backend.provides:
                    first, second = (backend.gradients(examples)[0][0] for _ in range(2))
                    pairs.append((first, second))
            for first, second in pairs:
                assert np.array_equal(first, second), given.name

    def test_memory_errors_are_recognised(self) -> None:
        """Python's own out-of-memory error is recognised, and other errors are not."""
        for given in self.models():
            with self._opened(given) as (backend, _):
                assert backend.is_out_of_memory(MemoryError()), given.name
                assert not backend.is_out_of_memory(ValueError("shape")), given.name

    def test_the_examples_are_left_as_they_are(self) -> None:
        """A backend does not write into its arguments."""
        for given in self.models():
            with self._opened(given) as (backend, examples):
                before = examples.inputs[0].copy()
                backend.outputs(examples)
                backend.scores(examples)
                if "gradients" in backend.provides:
                    backend.gradients(examples)
            assert np.array_equal(examples.inputs[0], before), given.name
