"""Answers the primitives that need no gradient, for one function of NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import psutil

from explain.backend import Finding, Primitive, Question, Rule
from explain.errors import ExplainError, GradientError, InputError, ModelCallError, ScoreError, TargetError
from explain.examples import Array, Examples
from explain.execution import UNSEEN, Executor
from explain.numpy_ext.callables import ArrayFunction
from explain.random_state import preserved_random_state
from explain.scoring import opaque_finding, pick_output
from explain.target import picked


class NumPyBackend:
    """One function of arrays; see `explain.backend.Backend`.

    Parameters
    ----------
    function : ArrayFunction
        The model.
    question : Question
        What is asked of it.
    like : object
        The input as it was given, whose precision is followed.
    """

    name = "numpy"
    provides: frozenset[Primitive] = frozenset({"outputs"})
    device_name = "cpu"

    def __init__(self, function: ArrayFunction, question: Question, like: Any) -> None:
        if question.score not in ("logit", "output"):
            raise ScoreError(
                f"score={question.score!r} cannot be had of a function of arrays, since it is not known what its "
                "output is: say score='output', and give a function that returns what is to be explained."
            )
        self._function = function
        self._question = question
        self.model_name = function.name
        self.fixed_batch_size = function.fixed_batch_size
        given = np.asarray(like).dtype if function.dtype is None else function.dtype
        self.dtype: np.dtype[Any] = np.dtype(np.float64 if given == np.float64 else np.float32)

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep the caller's random states."""
        with preserved_random_state():
            yield

    def hold(self, examples: Examples) -> Examples:
        """Hold nothing: nothing is seen of the inside."""
        return examples

    def outputs(self, examples: Examples, *, with_gradients: bool = False) -> tuple[Array, Finding]:
        """Give the output of each example, shape (N, ...)."""
        count = len(examples)
        padded = examples if self.fixed_batch_size is None else examples.padded(self.fixed_batch_size)
        layout = self._question.layout
        x = np.ascontiguousarray(layout.from_batch_first(padded.inputs[0]))
        keywords = {**self._question.forward_kwargs, **padded.companions}
        try:
            # A copy: what a function does to its input must not reach the next point's.
            result = self._function.call(x.astype(self._function.dtype or x.dtype, copy=True), **keywords)
        except ExplainError:
            raise
        # The model is foreign code, which may raise anything.
        except Exception as cause:
            raise ModelCallError(
                f"{self.model_name} raised {type(cause).__name__} for an input of shape {x.shape} and dtype "
                f"{x.dtype}: {cause}. Does x have the axes that it was trained with, the batch first?"
            ) from cause
        chosen = pick_output(dict(result) if isinstance(result, Mapping) else result, self._question.output)
        outputs = np.asarray(chosen)
        if outputs.dtype.kind not in "fiub":
            raise ScoreError(
                f"{self.model_name} gave outputs of dtype {outputs.dtype}, which are no numbers: explain a function "
                "that returns scores, such as predict_proba or decision_function."
            )
        if outputs.ndim == 0 or len(outputs) != len(padded):
            raise InputError(
                f"{self.model_name} gave an output of shape {outputs.shape} for a batch of {len(padded)}: the output "
                "should have one row an example. Does x have a batch axis, and is layout= right?"
            )
        floating = outputs if outputs.dtype.kind == "f" else outputs.astype(self.dtype)
        return floating[:count], opaque_finding(self._question.score, None)

    def reseeded(self) -> AbstractContextManager[None]:
        """NumPy's random state moves on by itself."""
        return nullcontext()

    def scores(self, examples: Examples) -> Array:
        """Give one number an example, shape (N,): the output at its target."""
        outputs, target = self.outputs(examples)[0], examples.target
        if target.function is None:
            assert target.indices is not None
            return picked(outputs, target.indices)
        scores = np.asarray(target.function(outputs))
        if scores.size != len(examples):
            raise TargetError(
                f"target, a callable, gave shape {scores.shape} for a batch of {len(examples)}: it should give one "
                f"scalar an example, an array of shape ({len(examples)},)."
            )
        return scores.reshape(len(examples))

    def gradients(self, examples: Examples) -> tuple[tuple[Array, ...], Array]:
        """Refuse: a function of arrays has no gradient that could be asked for."""
        raise GradientError(f"{self.model_name} is a function of arrays, which has no gradients.")

    def path_gradients(
        self,
        examples: Examples,
        baselines: tuple[Array, ...],
        alphas: Array,
        weights: Array,
        executor: Executor,
    ) -> tuple[Array, ...]:
        """Refuse, as `gradients` does."""
        raise GradientError(f"{self.model_name} is a function of arrays, which has no gradients.")

    def rule_gradients(
        self, examples: Examples, rule: Rule, baselines: tuple[Array, ...] | None = None
    ) -> tuple[tuple[Array, ...], int]:
        """Refuse, as `gradients` does."""
        raise GradientError(f"{self.model_name} is a function of arrays, which has no gradients.")

    def has_kinks(self, examples: Examples) -> bool:
        """Tell that nothing is known to be smooth."""
        return True

    def bytes_per_point(self, examples: Examples) -> int:
        """Estimate the memory that one more example needs, in bytes."""
        return UNSEEN * sum(array.nbytes for array in examples.inputs) // len(examples)

    def free_memory(self) -> int:
        """Give the free memory, in bytes."""
        return int(psutil.virtual_memory().available)

    def synchronize(self) -> None:
        """Wait for nothing."""
