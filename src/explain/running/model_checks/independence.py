"""Whether the examples of a batch depend on each other, as the nodes of a graph do: asked at every call."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from explain.backends.protocol import Backend
from explain.errors import DependentExamplesError, ExplainError
from explain.inputs.examples import Array, Examples
from explain.inputs.layout import Layout
from explain.inputs.masking import spread_mask
from explain.public_calls.passes import uncounted
from explain.running.execution import Executor
from explain.running.model_checks.determinism import UNSTEADY, largest_difference, largest_value
from explain.running.model_checks.half_precision import precision_of

# Shares of the largest output. Below the first lies rounding: kernels sum in another order for another number of rows.
# Above the second lies dependence. Between the two, half precision and the kernels of a GPU may round: there another
# batch of the same size decides.
_ROUNDING = 1e-3
_DEPENDENCE = 5e-2

# The number of examples in such a batch.
_AROUND = 8

# As many numbers of an example show whether its numbers are small.
_LOOKED_AT = 4096

# Two draws of a random model differ by more than two other draws did; seldom by this many times more.
_DRAWS = 4


@dataclass(frozen=True)
class _Known:
    """What was found of a model.

    Parameters
    ----------
    token : object
        Shows whether the structure of the model is still the same.
    found : str
        How the examples depend on each other.
    fails_alone : bool
        Whether the model fails on one example.
    kept : tuple of str
        Where the model keeps a state from one call to the next.
    """

    token: object
    found: str
    fails_alone: bool
    kept: tuple[str, ...] = ()


_dependent: weakref.WeakKeyDictionary[Any, dict[Hashable, _Known]] = weakref.WeakKeyDictionary()


class Independence:
    """The question whether the examples of a call, or the points of its only example, depend on each other.

    Several examples: one of them is run alone. If the model takes one batch size only, the others in its batch are
    changed instead. A single example: it is run beside another one, if the method forms points of it. Weights may
    decide, and leave no mark when they change: so every call asks again.

    Parameters
    ----------
    backend : Backend
        The opened model, inside its session.
    model : object
        The model itself, the key of what is cached.
    examples : Examples
        The examples to explain.
    executor : Executor
        Recognises memory errors.
    noise : float
        The noise of the model, see `explain.running.model_checks.determinism`.
    layout : Layout
        The axes of the inputs, batch first: padded steps of the other examples stay as they are.
    settings : hashable
        What may decide beside the model: the output that is explained, the names of the arguments.
    with_gradients : bool
        Whether to ask with the computation that gives outputs and gradients.
    forms_points : bool
        Whether the method runs several points of an example, which would depend on each other as examples do.

    Raises
    ------
    DependentExamplesError
        If it is known that the examples depend on each other.
    """

    def __init__(
        self,
        backend: Backend,
        model: Any,
        examples: Examples,
        executor: Executor,
        noise: float,
        layout: Layout,
        settings: Hashable,
        *,
        with_gradients: bool,
        forms_points: bool,
    ) -> None:
        self._backend, self._model = backend, model
        self._examples, self._executor, self._layout = examples, executor, layout
        self._with_gradients = with_gradients
        # Only these round so coarsely that an output may differ by more with the number of rows.
        is_coarse = getattr(backend, "rounds_points", False) or backend.device_name != "cpu"
        self._dependence = _DEPENDENCE if is_coarse else _ROUNDING
        self._settings = (settings, is_coarse)
        self._noise = noise if noise <= UNSTEADY else _DRAWS * noise
        size = backend.fixed_batch_size
        self._first_batch = None if size is None else examples.rows(slice(0, size)).padded(size)
        self._row = _quiet_row(examples if size is None else examples.rows(slice(0, size)))
        self._known_for_points = None if forms_points else False
        # Asked before the model runs on all examples, since a backend keeps that run for the gradients.
        self._answer = self._asked()

    def _asked(self) -> Array | ExplainError | None:
        """Run the model as the question needs it; None if there is nothing to ask."""
        if self._first_batch is None and len(self._examples) == 1:
            if self._known_for_points is None and self._known() is not None:
                self._known_for_points = True
            return None if self._known_for_points is not None else self._beside_another()
        if self._first_batch is not None and len(self._first_batch) == 1:
            return None
        known = self._known()
        if known is not None:
            raise DependentExamplesError(_message(known, self._first_batch is not None))
        if self._first_batch is not None:
            return self._with_others_changed(self._first_batch, self._row)
        return self._outputs(self._examples.rows(slice(self._row, self._row + 1)))

    def check(self, outputs: Array) -> bool:
        """Compare with the outputs of all examples, shape (N, ...).

        Returns
        -------
        bool
            Whether the points of the only example must be run one by one, since they depend on each other.

        Raises
        ------
        DependentExamplesError
            If the examples depend on each other.
        """
        is_single = self._first_batch is None and len(self._examples) == 1
        if is_single and self._known_for_points is not None:
            return self._known_for_points
        of_one, scale = outputs[self._row : self._row + 1], largest_value(outputs)
        if is_single:
            return self._points_depend(of_one, scale)
        found, fails_alone = self._found(of_one, scale)
        if found:
            known_now = _Known(_token(self._backend), found, fails_alone, self._kept_state())
            with suppress(TypeError):
                _dependent.setdefault(self._model, {})[self._settings] = known_now
            raise DependentExamplesError(_message(known_now, self._first_batch is not None))
        return False

    def _found(self, of_one: Array, scale: float) -> tuple[str, bool]:
        """Describe how the examples depend on each other, empty if they do not; tell whether the model fails alone."""
        answer, row = self._answer, self._row
        if answer is None:
            return "", False
        if self._first_batch is not None:
            # The model may not take the changed numbers: an error does not count.
            if isinstance(answer, ExplainError):
                return "", False
            share = self._share(answer[row : row + 1], of_one, scale)
            return (
                (f"{_changed_by(row, share)} when the others change", False)
                if share > _ROUNDING
                else ("", False)
            )
        if isinstance(answer, ExplainError):
            # A model that squeezes its output loses the batch axis of one example, and takes two.
            twice = self._outputs(self._examples.rows(np.array([row, row])))
            if not isinstance(twice, ExplainError) and self._share(twice[:1], of_one, scale) <= _ROUNDING:
                return "", False
            cause = answer.__cause__ or answer
            said = str(cause).split("\n")[0].rstrip(".: ")
            return f"the model fails on example {row} alone ({type(cause).__name__}: {said})", True
        share = self._share(answer, of_one, scale)
        if share <= _ROUNDING or (share <= self._limit(of_one) and not self._others_matter(scale)):
            return "", False
        return f"{_changed_by(row, share)} when it is alone", False

    def _limit(self, of_one: Array) -> float:
        """Give the share above which lies dependence. Under autocast the outputs alone show how coarse they are."""
        return self._dependence if precision_of(of_one) is None else _DEPENDENCE

    def _kept_state(self) -> tuple[str, ...]:
        """Name where the model keeps a state from one call to the next, seen at the examples as they were given."""
        named: Callable[[], tuple[str, ...]] = getattr(self._backend, "kept_state", tuple)
        examples = self._examples
        over = self._executor.over_rows(
            len(examples), lambda rows: self._backend.outputs(examples.rows(rows))
        )
        with uncounted():
            next(over)
        return named()

    def _others_matter(self, scale: float) -> bool:
        """Tell whether the example's output changes with the others, in batches of the same size."""
        first = max(0, self._row - _AROUND // 2)
        few = self._examples.rows(slice(first, first + _AROUND))
        row = self._row - first
        one, other = self._outputs(few), self._with_others_changed(few, row)
        if isinstance(one, ExplainError) or isinstance(other, ExplainError):
            return True
        return self._share(one[row], other[row], scale) > UNSTEADY

    def _points_depend(self, of_one: Array, scale: float) -> bool:
        """Tell whether the output of the only example changes when another one is beside it."""
        answer = self._answer
        if isinstance(answer, ExplainError) or answer is None:
            return True
        share = self._share(answer[:1], of_one, scale)
        if share <= _ROUNDING or share > self._limit(of_one):
            return share > _ROUNDING
        other = self._outputs(self._examples.rows(np.array([0, 0])))
        return isinstance(other, ExplainError) or self._share(other[:1], answer[:1], scale) > UNSTEADY

    def _share(self, first: Array, second: Array, scale: float) -> float:
        """Give the difference of two outputs beyond the noise, as a share of the largest output."""
        if first.shape != second.shape:
            return np.inf
        return max(0.0, largest_difference(first, second, scale) - self._noise)

    def _beside_another(self) -> Array | ExplainError:
        return self._with_others_changed(self._examples.rows(np.array([0, 0])), 0)

    def _with_others_changed(self, examples: Examples, row: int) -> Array | ExplainError:
        """Run the model on examples all of which are changed but one, outside their padding."""
        others = np.arange(len(examples)) != row
        answer = self._outputs(self._in_padding(examples, examples.with_changed(others)))
        if isinstance(answer, ExplainError):
            # Numbers may be ids, or have bounds.
            return self._outputs(self._in_padding(examples, examples.with_changed(others, stretched=False)))
        return answer

    def _in_padding(self, examples: Examples, changed: Examples) -> Examples:
        """Give changed examples whose padding is unchanged."""
        if examples.mask is None:
            return changed
        real = spread_mask(examples.mask, self._layout)
        kept = zip(changed.inputs, examples.inputs, strict=True)
        return changed.with_inputs(tuple(np.where(real, other, array) for other, array in kept))

    def _outputs(self, examples: Examples) -> Array | ExplainError:
        """Run the model; give its outputs, or the error that it raised, also for want of memory."""
        try:
            with uncounted():
                outputs, _ = self._backend.outputs(
                    examples, ahead="gradients" if self._with_gradients else None
                )
        except ExplainError as error:
            return error
        return outputs

    def _known(self) -> _Known | None:
        try:
            known = _dependent.get(self._model, {}).get(self._settings)
        except TypeError:
            return None
        return known if known is not None and known.token == _token(self._backend) else None


def _quiet_row(examples: Examples) -> int:
    """Give the row to ask about: not the first or the last, and the one whose numbers are the smallest.

    A model that runs along the batch, in either direction, reads others before a row in the middle. A model that
    divides by the largest number of the batch reads it in another row.
    """
    count = len(examples)
    if count <= 2:
        return count // 2
    floats = (array.reshape(count, -1) for array in examples.inputs if array.dtype.kind == "f")
    largest = np.zeros(count)
    for array in floats:
        some = array[:, :: max(1, array.shape[1] // _LOOKED_AT)]
        largest = np.maximum(largest, np.abs(some).max(axis=1, initial=0))
    return 1 + int(np.argmin(largest[1:-1]))


def _token(backend: Backend) -> object:
    """Give a value that is the same as long as the structure of the model is; None for a backend without one."""
    return getattr(backend, "structure_token", None)


def _changed_by(row: int, share: float) -> str:
    how = (
        f"changes by {share:.2g} of the largest output"
        if np.isfinite(share)
        else "has another shape, or is NaN,"
    )
    return f"the output for example {row} {how}"


def _message(known: _Known, is_fixed: bool) -> str:
    if known.kept:
        return (
            f"The examples of the batch cannot be explained together: {known.found}. The model keeps a state from one "
            f"call to the next, in {' and '.join(known.kept)}, so a row reads what an earlier call left there. Reset "
            "it before, as at the start of a sequence (for example to None or zeros), or explain one example, x[:1], "
            "after the model has run on the past of that example alone."
        )
    text = (
        f"The examples of the batch depend on each other: {known.found}. The values of one would contain those of the "
        "others. If all rows of x together are one example, such as the nodes of a graph, give x[None] and "
        "target=(row, class) to a model that calls yours on x[0] and returns its output[None]. If another axis of x is "
        "the batch, say so with layout=."
    )
    if is_fixed:
        return f"{text} If each row is an example of its own, build the model for batches of 1."
    if known.fails_alone:
        return f"{text} If each row is an example of its own, make the model take one row."
    return f"{text} If each row is to be explained by itself, without the others, give batch_size=1."
