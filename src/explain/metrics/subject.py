"""What is evaluated: an attribution with the model that it explains, as a metric sees them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from inspect import isroutine
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.algorithms.catalogue import find_method
from explain.errors import BaselineError, EvaluationError, ScoreError
from explain.explanation.again.arguments import arguments_of
from explain.explanation.again.call import DEFAULTS, explained, request_of
from explain.explanation.posed import posed
from explain.explanation.request import Request
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.inputs.naming.brief import brief
from explain.metrics.again import arguments_again, notes_again, rounds
from explain.metrics.opened import Opened, ScoreCache
from explain.metrics.places import Places, places_of
from explain.metrics.results.measurement import Floats
from explain.results.attribution import Attribution
from explain.results.view import has_token_ids
from explain.running.locks import ONE_CALL_AT_A_TIME

# The method whose points have only values of the input and of the reference, as the points of a metric do.
_REMOVING = "feature_ablation"

# Of the arguments of the call, those that say how the model is called and what is explained.
_OF_MODEL = (
    "tokenizer",
    "target",
    "score",
    "output",
    "layout",
    "lengths",
    "forward_kwargs",
    "framework",
    "bounds",
    "display",
    "memory_budget",
)


class Subject:
    """What is evaluated: an attribution with the model that it explains.

    Parameters
    ----------
    model : object
        The model.
    attribution : Attribution
        Its explanation, of N examples.
    arguments : Mapping
        Arguments of `explain.attribute` that the attribution does not record, such as ``forward_kwargs``.
    masks : numpy.ndarray of bool, optional
        Where the object is, shape (N, P): True for the places of each example that belong to it.
    seed : int
        The seed of all random numbers.
    cache : dict, optional
        Scores that are known already.

    Attributes
    ----------
    as_ids : bool
        Whether the model takes the inputs as whole numbers, though no embedding's vectors were explained.
    notes : list of str
        The warnings of what was explained again.
    """

    def __init__(
        self,
        model: Any,
        attribution: Attribution,
        arguments: Mapping[str, Any],
        *,
        masks: npt.NDArray[np.bool_] | None = None,
        seed: int = 0,
        cache: ScoreCache | None = None,
    ) -> None:
        self.model, self.attribution, self.masks, self.seed = model, attribution, masks, seed
        self.notes: list[str] = []
        self.as_ids = False
        self.shared: dict[str, Any] = {}
        """What metrics of one family compute once for all of them, by the name of the file that does."""
        self._given = {name: value for name, value in arguments.items() if value is not None}
        if isroutine(model):
            # A function does not say of which framework its arrays are.
            self._given.setdefault("framework", attribution.framework)
        # Known once the model was open.
        self._in_rows: bool | None = None
        self._at_once = 0
        self._cache: ScoreCache = {} if cache is None else cache

    def __len__(self) -> int:
        """Give the number of examples."""
        return len(self.attribution)

    @cached_property
    def places(self) -> Places:
        """The places of the examples, with their values."""
        return places_of(self.attribution)

    @cached_property
    def values(self) -> Floats:
        """The attribution itself, batch first, shape (N, ...) of the inputs."""
        return np.asarray(self.layout.to_batch_first(self.attribution.values), np.float64)

    @cached_property
    def inputs(self) -> Array:
        """The inputs, batch first; token ids as whole numbers."""
        one = self.attribution
        inputs = self.layout.to_batch_first(one.inputs)
        return inputs.astype(np.int64) if self.as_ids or has_token_ids(one) else inputs

    @property
    def layout(self) -> Layout:
        """The axes of the inputs, as the model takes them."""
        return Layout(self.attribution.layout)

    @property
    def is_slope(self) -> bool:
        """Whether the values are slopes of the score, not shares of it."""
        return find_method(self.attribution.method).is_slope

    def generator(self, *keys: int) -> np.random.Generator:
        """Give a generator of random numbers for some part of the work, such as one example."""
        return np.random.default_rng((self.seed, *keys))

    def no_information(self) -> dict[int, str]:
        """Give the examples whose map orders nothing, since all its places have the same value, and why."""
        found = {}
        for row in range(len(self)):
            own = self.places.of(row)
            if own.size and np.ptp(own) == 0:
                kind = "zero" if not own.any() else "constant"
                found[row] = f"The map is {kind}: it does not order the places."
        return found

    @contextmanager
    def opened(self, reference: Any = "baseline", score: str | None = None) -> Iterator[Opened]:
        """Open the model, with the reference that takes the place of what is removed; on exit it is restored.

        Parameters
        ----------
        reference : object
            ``"baseline"`` for the one that the attribution was compared with, zeros if it has none; or any baseline
            that `explain.attribute` takes.
        score : str, optional
            The kind of score; by default the explained one. ``"probability"`` where the model has classes.
        """
        with ExitStack() as stack:
            try:
                found = stack.enter_context(posed(self._removing(reference, score)))
            except BaselineError as error:
                raise EvaluationError(
                    f"reference={brief(reference)} cannot take the place of what is removed: {error}"
                ) from error
            self._in_rows = found.problem.in_rows
            self._at_once = found.problem.executor.size
            yield Opened(found, self.places, self._cache)

    def has_classes(self) -> bool:
        """Whether the score has a probability: an output of unknown kind has none, nor a function of outputs."""
        return self._has_probability

    def explained_again(
        self, rows: npt.NDArray[np.intp], inputs: Array | None = None, *, model: Any = None, **changes: Any
    ) -> Attribution:
        """Explain inputs like those of the attribution by the same call: the same method, options and targets.

        Parameters
        ----------
        rows : numpy.ndarray of int
            The example to which each input belongs, shape (M,): its target, baseline and lengths are taken.
        inputs : numpy.ndarray, optional
            The inputs, batch first, shape (M, ...); by default those of the examples themselves.
        model : object, optional
            Another model of the same form, such as one with random weights, whose warnings say nothing of the
            explained one.
        **changes
            Arguments of `explain.attribute` that take the place of the recorded ones, such as ``seed``.

        Returns
        -------
        Attribution
            Of M examples. An integral has the steps of the example, at which they are not chosen anew; its warnings
            are added to `notes`.

        Raises
        ------
        EvaluationError
            If an argument of the call is neither recorded nor given.
        """
        part = self.attribution[rows.tolist()]
        if inputs is not None:
            moved = self.layout.from_batch_first(np.asarray(inputs))
            part = replace(part, inputs=np.ascontiguousarray(moved, np.float32))
        if not self.explains_whole_batches:
            return self._explained(part, rows, model, changes)
        target = changes.get("target")
        of_each = [target[one] if isinstance(target, list) else target for one in range(len(rows))]
        found = [
            self._among_all(part[own.tolist()], rows[own], model, changes, [of_each[one] for one in own])
            for own in rounds(rows)
        ]
        order = np.argsort(np.concatenate(list(rounds(rows))))

        def joined(arrays: list[Array], axis: int) -> Array:
            return np.concatenate(arrays, axis).take(order, axis)

        classes = [one.predicted for one in found if one.predicted is not None]
        return replace(
            part,
            values=joined([one.values for one in found], self.layout.batch_axis),
            scores=joined([one.scores for one in found], 0),
            predicted=joined(classes, 0) if classes else None,
            delta=None,
            relative_delta=None,
            map_error=None,
        )

    @cached_property
    def explains_whole_batches(self) -> bool:
        """Whether an example can only be explained in its own row, among the other examples of the attribution.

        So it is with a method that compares examples with one another, and with a model that keeps states by row.
        """
        if find_method(self.attribution.method).compares_examples:
            return True
        self._open_once()
        return bool(self._in_rows)

    @property
    def explained_at_once(self) -> int:
        """How many inputs the model takes at once: a call that explains no more asks the model once for each."""
        self._open_once()
        return self._at_once

    def _open_once(self) -> None:
        if self._in_rows is None:
            with self.opened():
                pass

    def _among_all(
        self,
        part: Attribution,
        rows: npt.NDArray[np.intp],
        model: Any,
        changes: Mapping[str, Any],
        targets: Sequence[Any],
    ) -> Attribution:
        """Explain some examples, each once, in their own rows; the other rows are the examples themselves."""
        axis = self.layout.batch_axis
        inputs = np.moveaxis(self.attribution.inputs, axis, 0).copy()
        inputs[rows] = np.moveaxis(part.inputs, axis, 0)
        whole = replace(self.attribution, inputs=np.ascontiguousarray(np.moveaxis(inputs, 0, axis)))
        if isinstance(changes.get("target"), list):
            every = list(self.attribution.target)
            for row, target in zip(rows.tolist(), targets, strict=True):
                every[row] = target
            changes = {**changes, "target": every}
        return self._explained(whole, np.arange(len(self)), model, changes)[rows.tolist()]

    def _explained(
        self, part: Attribution, rows: npt.NDArray[np.intp], model: Any, changes: Mapping[str, Any]
    ) -> Attribution:
        arguments = arguments_again(self.model, self.attribution, part, rows, self._given)
        method = str(arguments.pop("method"))
        called = self.model if model is None else model
        found, notes = explained(request_of(called, self._x(part), method, {**arguments, **changes}))
        if model is None:
            again = notes_again([note for note, _ in notes], rows, self.attribution.notes)
            self.notes += [note for note in again if note not in self.notes]
        assert isinstance(found, Attribution)
        return found

    def with_attribution(self, attribution: Attribution) -> Subject:
        """Give the same with another attribution of the same examples; what is known of their scores stays known."""
        other = Subject(
            self.model, attribution, self._given, masks=self.masks, seed=self.seed, cache=self._cache
        )
        other.notes, other.as_ids = self.notes, self.as_ids
        return other

    def with_model(self, model: Any) -> Subject:
        """Give the same with another model, of which nothing is known yet."""
        other = Subject(model, self.attribution, self._given, masks=self.masks, seed=self.seed)
        other.as_ids = self.as_ids
        return other

    def given_inputs(self, rows: Sequence[int]) -> Any:
        """Give the inputs of some examples as the model takes them: strings, token ids or numbers."""
        return self._x(self.attribution[list(rows)])

    @property
    def has_tokens(self) -> bool:
        """Whether the inputs are token ids or strings, which cannot change gradually."""
        return bool(self.attribution.reduce or self.attribution.texts) or self.as_ids

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The arguments of the call that gave the attribution, as far as it records them or they are given."""
        return self._recorded

    @cached_property
    def _has_probability(self) -> bool:
        one = self.attribution
        of_a_function = any(isinstance(target, str) for target in one.target)
        if one.predicted is None or one.score == "output" or of_a_function:
            return False
        try:
            request = self._removing("baseline", "probability")
            # An estimator may have logits alone; the model need not run to tell.
            with ONE_CALL_AT_A_TIME:
                request.extension.open(request.model, request.question, request.given.like)
        except ScoreError:
            return False
        return True

    def _removing(self, reference: Any, score: str | None) -> Request:
        """Give the call whose points are made of the input and of the reference."""
        arguments = {name: value for name, value in self._recorded.items() if name in _OF_MODEL}
        arguments["seed"] = self.seed
        arguments["baseline"] = self._reference(reference)
        if score is not None:
            arguments["score"] = score
        return request_of(self.model, self._x(self.attribution), _REMOVING, arguments)

    @cached_property
    def _recorded(self) -> dict[str, Any]:
        found = {name: one.value for name, one in arguments_of({"": self.attribution}, "one").items()}
        return found | self._given

    def _x(self, attribution: Attribution) -> Any:
        if attribution.texts:
            return [text.text for text in attribution.texts]
        are_ids = self.as_ids or has_token_ids(attribution)
        return attribution.inputs.astype(np.int64) if are_ids else attribution.inputs

    def _reference(self, reference: Any) -> Any:
        if not (isinstance(reference, str) and reference == "baseline"):
            return reference
        if self.attribution.baseline_rule.get("rule") == "references":
            # A set of references is no single input.
            return DEFAULTS["baseline"]
        return self._recorded.get("baseline")
