"""The primitives that need no gradient, for one function of NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import numpy as np
import psutil

from explain.backends import (
    Ahead,
    Array,
    Arrays,
    Attentions,
    ChunkRunner,
    Examples,
    Finding,
    Primitive,
    Question,
    Rule,
    RuleGradients,
    ScoreKind,
    called_target,
    count_passes,
    not_scalars_error,
    opaque_finding,
    pick_output,
    picked,
)
from explain.errors import (
    ExplainError,
    GradientError,
    InputError,
    ModelCallError,
    ScoreError,
    SeveralOutputsError,
    UnsupportedModelError,
)
from explain.numpy_ext.callables import ArrayFunction
from explain.running import UNSEEN, preserved_random_state

# So many letters of the answer of an endpoint are shown.
_SHOWN = 200


class NumPyBackend:
    """One function of arrays; see `explain.backends.Backend`.

    Parameters
    ----------
    function : ArrayFunction
        The model.
    question : Question
        The layout, score and output to explain, and the arguments of the model.
    like : object
        The input as given, which determines the precision.
    """

    name = "numpy"
    provides: frozenset[Primitive] = frozenset({"outputs"})
    takes_several_inputs = True
    device_name = "cpu"

    def __init__(self, function: ArrayFunction, question: Question, like: Any) -> None:
        self._finding = _finding(function, question.score)
        if question.wiring is not None and not function.takes_several:
            raise UnsupportedModelError(
                f"{function.name} takes one array, but x holds several inputs: give one array, or a function of "
                "several with framework='numpy'."
            )
        self._function = function
        # The shape of the outputs of one example, by the shapes of its inputs.
        self._sizes: dict[tuple[tuple[int, ...], ...], tuple[int, ...]] = {}
        self._question = question
        self.model_name = function.name
        self.fixed_batch_size = function.fixed_batch_size
        given = np.asarray(like).dtype if function.dtype is None else function.dtype
        self.dtype: np.dtype[Any] = np.dtype(np.float64 if given == np.float64 else np.float32)

    @contextmanager
    def session(self) -> Iterator[None]:
        """Restore the caller's random states and the model on exit."""
        with preserved_random_state(), self._function.session():
            yield

    def hold(self, examples: Examples) -> Examples:
        """Return the examples unchanged: layers cannot be accessed."""
        return examples

    def outputs(self, examples: Examples, *, ahead: Ahead | None = None) -> tuple[Array, Finding]:
        """Give the output of each example, shape (N, ...)."""
        padded = examples if self.fixed_batch_size is None else examples.padded(self.fixed_batch_size)
        result, scorer = self._result(padded), self._question.scorer
        if scorer is not None:
            return self._scalars_of(scorer, result, len(padded))[: len(examples)], Finding("output")
        outputs = self._rows_of(self._chosen(result), len(padded))
        sizes = tuple(one.shape[1:] for one in examples.inputs)
        before = self._sizes.setdefault(sizes, outputs.shape[1:])
        if before != outputs.shape[1:]:
            raise InputError(
                f"{self.model_name} gave outputs of shape {before} for an example, and now of shape "
                f"{outputs.shape[1:]} for one of the same size: a score is one of these numbers. Explain a function "
                "whose outputs keep their shape."
            )
        return outputs[: len(examples)], self._finding

    def all_outputs(self, examples: Examples) -> dict[str, Array]:
        """Give every output of each example by its key or position; the name of a single output is empty."""
        size = self.fixed_batch_size or len(examples)
        found: dict[str, list[Array]] = {}
        for start in range(0, len(examples), size):
            rows = examples.rows(slice(start, start + size))
            result = self._result(rows.padded(size))
            several = _named(result) if _are_several(result) else {"": result}
            for name, one in several.items():
                found.setdefault(name, []).append(self._rows_of(one, size)[: len(rows)])
        return {name: np.concatenate(parts) for name, parts in found.items()}

    def _result(self, examples: Examples) -> Any:
        """Call the function on examples, in its batch size."""
        given, by_name = self._given(examples)
        count_passes(forward=len(examples))
        rows = {name: rows.copy() for name, rows in examples.companions.items()}
        companions = self._question.with_states(rows, np.moveaxis)
        try:
            return self._function.call(*given, **by_name, **self._question.forward_kwargs, **companions)
        except ExplainError:
            raise
        except OSError as cause:
            raise ModelCallError(
                f"{self.model_name} raised {type(cause).__name__}: {_words_of(cause)}. That is an error of a "
                "connection or a file: see that what the function asks takes x and answers in time, let it ask again, "
                "or give a smaller batch_size."
            ) from cause
        # The model is third-party code, which may raise any error.
        except Exception as cause:
            every = (*(one for one in given if not isinstance(one, Mapping)), *by_name.values())
            inside = [one for mapping in given if isinstance(mapping, Mapping) for one in mapping.values()]
            shown = " and ".join(
                f"shape {one.shape} and dtype {one.dtype}" for one in (*every, *inside) if one is not None
            )
            said = str(cause).rstrip().removesuffix(".")
            raise ModelCallError(
                f"{self.model_name} raised {type(cause).__name__} for an input of {shown}: {said}. Does x have the "
                "axes that it was trained with, the batch first?"
            ) from cause

    def _given(self, examples: Examples) -> tuple[list[Array], dict[str, Array]]:
        """Give the arguments of the function: copies, since the function may write into them."""
        own, wiring, layout = self._function.dtype, self._question.wiring, self._question.layout

        def copied(array: Array) -> Array:
            if own is not None and own.kind != "f" and array.dtype.kind == "f":
                raise InputError(
                    f"{self.model_name} takes {own}, but gets {array.dtype}, which would be cut off: give x as whole "
                    f"numbers, x.astype({str(own)!r}), to a method that keeps them, such as feature_ablation."
                )
            return np.ascontiguousarray(array).astype(own or array.dtype, copy=True)

        if wiring is None:
            return [copied(layout.from_batch_first(examples.inputs[0]))], {}
        unmoved = [array.copy() for array in examples.unmoved]
        arranged = wiring.arranged(
            [*map(copied, examples.inputs)], unmoved, lambda array, axis: np.moveaxis(array, 0, axis)
        )
        beside = {*self._question.forward_kwargs, *examples.companions}
        return wiring.passed_to(self._function.call, arranged, beside)

    def _chosen(self, result: Any) -> Any:
        """Give a result, or the chosen one of several."""
        if _are_several(result):
            return pick_output(result, self._question.output)
        # Raises an error if `output` selects another output than the only one.
        pick_output(None, self._question.output)
        return result

    def _rows_of(self, result: Any, count: int) -> Array:
        """Give a result as an array, which should have one row per example."""
        outputs = self._array(result)
        if outputs.ndim == 0 or len(outputs) != count:
            raise InputError(
                f"{self.model_name} gave an output of shape {outputs.shape} for a batch of {count}: the output should "
                "have one row per example. Does x have a batch axis, and is layout= right?"
            )
        return outputs

    def _array(self, result: Any) -> Array:
        """Give a result as an array: a copy, since a function may write its next result into the same memory."""
        try:
            outputs = np.array(result)
        # Third-party code may return a tensor on a device or in a graph, lists of unequal lengths, and more.
        except Exception as cause:
            raise SeveralOutputsError(
                f"{self.model_name} gave a {type(result).__name__}, which cannot be converted to an array "
                f"({type(cause).__name__}: {cause}): explain a function that returns an array with one row per "
                "example, or give target= a function from all that it returns to one number an example."
            ) from cause
        if outputs.dtype.kind not in "fiub":
            raise SeveralOutputsError(
                f"{self.model_name} gave a {type(result).__name__} of dtype {outputs.dtype}, which is not numeric: "
                "explain a function that returns scores, such as predict_proba or decision_function, or give target= a "
                "function from all that it returns to one number an example."
            )
        # Keep at least the precision of the result, else a small difference of large scores would be lost.
        return outputs.astype(np.result_type(outputs, self.dtype), copy=False)

    def reseeded(self) -> AbstractContextManager[None]:
        """Change nothing: NumPy's random state advances by itself."""
        return nullcontext()

    def scores(self, examples: Examples) -> Array:
        """Give one number per example, shape (N,): the output at its target."""
        outputs, target = self.outputs(examples)[0], examples.target
        if target.function is None:
            assert target.indices is not None
            return picked(outputs, target.indices)
        return self._scalars_of(target.function, outputs, len(examples))

    def _scalars_of(self, function: Callable[[Any], Any], outputs: Any, count: int) -> Array:
        """Give what a callable target makes of outputs: one number per example, shape (N,)."""
        scores = np.array(called_target(function, outputs))
        if scores.size != count or scores.dtype.kind not in "fiub":
            given = f"{scores.dtype} of shape {scores.shape}"
            raise not_scalars_error(given, outputs, "an array of numbers", count)
        return scores.reshape(count)

    def gradients(self, examples: Examples) -> tuple[tuple[Array, ...], Array]:
        """Raise an error: a function of arrays has no gradient."""
        raise GradientError(f"{self.model_name} is a function of arrays, which has no gradients.")

    def path_gradients(
        self, examples: Examples, baselines: Arrays, alphas: Array, weights: Array, executor: ChunkRunner
    ) -> Arrays:
        """Raise an error, as `gradients` does."""
        raise GradientError(f"{self.model_name} is a function of arrays, which has no gradients.")

    def rule_gradients(
        self, examples: Examples, rule: Rule, baselines: tuple[Array, ...] | None = None, epsilon: float = 0.0
    ) -> RuleGradients:
        """Raise an error, as `gradients` does."""
        raise GradientError(f"{self.model_name} is a function of arrays, which has no gradients.")

    def attentions(self, examples: Examples) -> Attentions:
        """Raise an error, as `gradients` does."""
        raise GradientError(f"{self.model_name} is a function of arrays, which has no gradients.")

    def has_kinks(self, examples: Examples) -> bool:
        """Return True: no operation is known to be smooth."""
        return True

    def bytes_per_point(self, examples: Examples) -> int:
        """Estimate the memory that one more example needs, in bytes."""
        return UNSEEN * sum(array.nbytes for array in examples.inputs) // len(examples)

    def free_memory(self) -> int:
        """Give the free memory, in bytes."""
        return int(psutil.virtual_memory().available)

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Recognise the out-of-memory errors of Python, NumPy and ONNX Runtime."""
        return isinstance(error, MemoryError) or "Failed to allocate memory" in str(error)

    def synchronize(self) -> None:
        """Do nothing: the function has finished when it returns."""


def _finding(function: ArrayFunction, wanted: ScoreKind) -> Finding:
    """Find the kind of score that is explained."""
    known = function.score
    if wanted in ("probability", "log_probability") and known != wanted:
        what = (
            "the kind of its output is unknown"
            if known is None
            else f"its output is a {known.replace('_', ' ')}"
        )
        raise ScoreError(
            f"score={wanted!r} is not available for {function.name}, a function of arrays: {what}. Say "
            "score='output', and give a function that returns the scores to explain."
        )
    if known is None:
        return opaque_finding(wanted, None)
    if wanted in ("output", known) or known not in ("probability", "log_probability"):
        return Finding("output" if wanted == "output" else known)
    return Finding(
        known,
        reason=f"The explained score is a {known.replace('_', ' ')}, because {function.name} returns one. "
        "Probabilities hardly change where the model is certain. Give a function that returns logits, such as "
        f"decision_function, if there is one; say score={known!r} if you want the {known.replace('_', ' ')}.",
    )


def _words_of(cause: OSError) -> str:
    """Give what an error says, with the beginning of the answer of an endpoint that refused."""
    said = str(cause).rstrip().removesuffix(".")
    # `urllib` and `requests` keep the answer in two places.
    answer = getattr(getattr(cause, "response", None), "text", None)
    with suppress(Exception):
        if answer is None and hasattr(cause, "read"):
            answer = cause.read().decode(errors="replace")
    return f"{said}, with the answer {answer[:_SHOWN]!r}" if answer else said


def _are_several(result: Any) -> bool:
    """Distinguish several outputs from one, which may be a list of numbers, or a data frame with its columns."""
    if isinstance(result, (list, tuple)):
        # A classifier of several outputs returns a list of arrays.
        return any(getattr(one, "ndim", 0) for one in result)
    return isinstance(result, Mapping)


def _named(result: Any) -> Mapping[str, Any]:
    """Give several outputs by key or position."""
    if isinstance(result, Mapping):
        return {str(name): one for name, one in result.items()}
    return {str(place): one for place, one in enumerate(result)}
