"""Preparation of a call with several inputs: packed into one row per example for the backend, and their baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from explain.backends.embeddings.readers import GivenIds, reading_calls
from explain.backends.embeddings.tokens import Tokens, no_vector_for_strings, tokens_of, vectors_at
from explain.backends.protocol import Backend, LayeredBackend
from explain.errors import BaselineError, InputError, UnsupportedInputError, UnsupportedModelError
from explain.explanation.given_inputs import GivenInput
from explain.explanation.one_input import Compared, check_ids, laid_out
from explain.explanation.request import Notes, Request
from explain.inputs.baseline import resolve_baseline, resolve_references
from explain.inputs.examples import Array, Examples
from explain.inputs.features import joint_features
from explain.inputs.joined_calls import TOKEN_VECTORS, TokenCalls, token_options
from explain.inputs.layout import Layout
from explain.inputs.masking import Mask, resolve_mask, spread_mask
from explain.inputs.packing import PACKED, Part, packed, parts_of, unpacked
from explain.inputs.text.spelling import Spelling
from explain.running.problem import Problem
from explain.running.several_inputs_as_one import Alone, Joint


@dataclass(frozen=True)
class MovedInput:
    """An input that methods change: numbers, or the embedding vectors of token ids.

    Parameters
    ----------
    given : GivenInput
        The input as the caller passed it.
    array : numpy.ndarray
        The values that change, batch first.
    layout : Layout
        The axes of `array`, batch first.
    mask : numpy.ndarray of bool, optional
        Where a step of a padded sequence is real, shape (N, T).
    tokens : Tokens, optional
        The tokens, if the input is token ids.
    """

    given: GivenInput
    array: Array
    layout: Layout
    mask: Mask | None = None
    tokens: Tokens | None = None

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of the method for this input."""
        options = self.given.options
        return options if self.tokens is None else token_options(options, self.tokens.ids, self.tokens.call)

    @property
    def real(self) -> Mask:
        """Which positions are not padding, in the shape of `array`."""
        if self.mask is None:
            return np.ones(self.array.shape, bool)
        return np.broadcast_to(spread_mask(self.mask, self.layout), self.array.shape)


@dataclass(frozen=True)
class SeveralInputs:
    """The inputs of a request, prepared for the backend: one packed row per example.

    Parameters
    ----------
    backend : Joint
        The model, wrapped so that it takes a single packed input.
    examples : Examples
        The packed examples.
    moved : tuple of MovedInput
        The inputs that methods change, in the order in which they are packed.
    calls : Mapping
        For inputs of token ids: the calls of embeddings that read them, by the input's index in `moved`.
    """

    backend: Joint
    examples: Examples
    moved: tuple[MovedInput, ...]
    calls: Mapping[int, TokenCalls]
    layout: Layout = PACKED
    tokens: None = None
    """A result for all inputs at once, such as the result of a layer, has no token axis."""

    @property
    def has_tokens(self) -> bool:
        """Whether any of the inputs is token ids."""
        return any(one.tokens is not None for one in self.moved)

    @property
    def notes(self) -> Notes:
        """The warnings about the inputs."""
        return [note for one in self.moved if one.tokens is not None for note in one.tokens.notes]

    @property
    def parts(self) -> tuple[Part, ...]:
        """The columns of each input in a packed row."""
        return self.backend.parts

    @classmethod
    def prepared(cls, request: Request, backend: Backend) -> SeveralInputs:
        """Prepare the inputs of a request, inside the backend's session."""
        if request.method.drawn == "input":
            raise UnsupportedInputError(
                f"method={request.method.name!r} searches for one input, but x contains several: write a function of "
                "the input that is searched for and fix the others in it, or give them in forward_kwargs."
            )
        if not getattr(backend, "takes_several_inputs", False):
            raise UnsupportedModelError(
                f"x contains several inputs, but the {backend.name} backend takes one: give one, and the others in "
                "forward_kwargs."
            )
        inner = cast(LayeredBackend, backend)
        there = [one for one in request.given.several if one.host is not None]
        unmoved = [one for one in there if not one.is_moved]
        moved = [
            _moved(one, one.batch_first.astype(backend.dtype, copy=False), one.layout.batch_first)
            for one in there
            if one.is_moved
        ]
        count = there[0].host.shape[there[0].layout.batch_axis] if there[0].host is not None else 0
        beside = Examples(
            (), companions=request.companions, unmoved=tuple(one.batch_first for one in unmoved)
        )
        first = _packed(inner, moved, beside, count)
        calls: dict[int, TokenCalls] = {}
        for place, given_ids in _ids_among(first, [one.spelling for one in unmoved]).items():
            if request.texts is not None and unmoved[place].name != request.texts.input_name:
                # Segments, which the caller has not given.
                continue
            call = reading_calls(first[0], given_ids)
            if call is not None:
                check_ids(request.method, unmoved[place].layout)
                calls[len(moved)] = call
                moved.append(_as_tokens(first[0], unmoved[place], given_ids, call))
        spelled = [repr(one.name) for one in unmoved if one.spelling is not None]
        if not moved and spelled:
            raise InputError(no_vector_for_strings(f"x, in {' and '.join(spelled)},"))
        if not moved:
            raise InputError(
                "x contains whole numbers and masks only, and no reachable embedding of the model reads any of them: "
                "there is no input that a method can change. Give numbers in floating point (x.astype('float32')) "
                "where they are quantities; token ids need an embedding layer that gives one vector for each."
            )
        joint, examples = _packed(inner.reading(calls) if calls else inner, moved, beside, count)
        real = packed([one.real for one in moved], joint.parts, bool, count)
        return cls(joint, replace(examples, mask=None if real.all() else real), tuple(moved), calls)

    def again(self, backend: Backend) -> Backend:
        """Apply the same preparation to another backend of the same model."""
        inner = cast(LayeredBackend, backend)
        return Joint(inner.reading(self.calls) if self.calls else inner, self.backend.parts)

    def compared(self, request: Request, examples: Examples) -> Compared:
        """Resolve the baselines of all inputs that methods change."""
        method = request.method
        if not method.uses_baseline:
            return Compared()
        names = {one.given.name for one in self.moved}
        own = [
            one.name
            for one in request.given.several
            if one.has_own_baseline and one.name not in names and not one.is_empty
        ]
        if own:
            raise BaselineError(
                f"baseline is given for {', '.join(map(repr, own))}, which stays fixed: give None there, or give the "
                "input in floating point if it is a quantity."
            )
        found, rules = [], {}
        for one in self.moved:
            array, rules[one.given.name] = _baseline(request, one)
            found.append(array)
        if method.takes_references:
            counts = {len(array) for array in found}
            if len(counts) > 1:
                raise BaselineError(
                    f"baseline has {' and '.join(map(str, sorted(counts)))} reference examples for the inputs: a "
                    "reference has one example of each input, so give the same number for all."
                )
            return Compared(references=(self._as_rows(found),), rule=rules)
        return Compared(baselines=(self._as_rows(found),), rule=rules)

    def options(self, request: Request) -> Mapping[str, Any]:
        """Give the options of the packed problem: feature numbers continue from one input to the next."""
        options = dict(request.given.options)
        if "feature_mask" not in options:
            return options
        given = [one.options["feature_mask"] for one in self.moved]
        arrays, layouts = [one.array for one in self.moved], [one.layout for one in self.moved]
        # A method that exchanges features between examples needs the same features in each example.
        of_each = joint_features(given, arrays, layouts, alike=not request.method.uses_baseline)
        return {**options, "feature_mask": packed(of_each, self.backend.parts, np.int64, len(self.examples))}

    def without_mask(self, problem: Problem) -> Problem:
        """Give the problem before it is posed at a layer: a mask may apply there only if a single input is padded."""
        masks = [one.mask for one in self.moved if one.mask is not None]
        return replace(
            problem, examples=replace(problem.examples, mask=masks[0] if len(masks) == 1 else None)
        )

    def separate(self, problem: Problem) -> Problem:
        """Unpack the problem into separate inputs, as a reference engine takes them."""
        backend, baselines = cast(Joint, problem.backend), problem.baselines
        if baselines is not None and problem.outer is None:
            baselines = unpacked(baselines[0], self.backend.parts)
        return replace(
            problem,
            backend=backend.inner,
            examples=backend.inside(problem.examples),
            baselines=baselines,
            parts=(),
        )

    def alone(self, problem: Problem, place: int) -> Problem:
        """Pose the problem of one input, with the others fixed."""
        one, part = self.moved[place], self.backend.parts[place]
        rows = problem.examples.inputs[0]
        bases, references = problem.baselines, problem.references
        return replace(
            problem,
            backend=Alone(cast(Joint, problem.backend), part),
            examples=replace(
                problem.examples,
                inputs=(one.array,),
                mask=one.mask,
                unmoved=(rows, *problem.examples.unmoved),
            ),
            layout=one.layout,
            baselines=None if bases is None else (_part(bases[0], part),),
            references=None if references is None else (_part(references[0], part),),
            bounds=one.given.bounds,
            options=one.options,
            parts=(),
        )

    def shown(self, problem: Problem, place: int) -> Problem:
        """Give the packed problem with the examples, layout and baseline of one input, for the result of this input."""
        one, bases = self.moved[place], problem.baselines
        return replace(
            problem,
            examples=replace(problem.examples, inputs=(one.array,), mask=one.mask),
            layout=one.layout,
            baselines=None if bases is None else (_part(bases[0], self.backend.parts[place]),),
            parts=(),
        )

    def _as_rows(self, arrays: Sequence[Array]) -> Array:
        parts = self.backend.parts
        return packed(arrays, parts, self.backend.dtype, len(arrays[0]))


def _moved(given: GivenInput, array: Array, layout: Layout) -> MovedInput:
    return MovedInput(given, array, layout, resolve_mask(given.lengths, array, layout))


def _packed(
    inner: LayeredBackend, moved: Sequence[MovedInput], beside: Examples, count: int
) -> tuple[Joint, Examples]:
    parts = parts_of([one.array.shape[1:] for one in moved], [one.layout for one in moved])
    rows = packed([one.array for one in moved], parts, inner.dtype, count)
    return Joint(inner, parts), beside.with_inputs((rows,))


def _part(rows: Array, part: Part) -> Array:
    return np.ascontiguousarray(part.shaped(rows[..., part.columns]))


def _baseline(request: Request, one: MovedInput) -> tuple[Array, Mapping[str, Any]]:
    given = one.given
    assert given.host is not None
    baseline = laid_out(request, given.baseline, given.host, given.layout)
    try:
        if request.method.takes_references:
            find = resolve_references if one.tokens is None else one.tokens.references
            return find(baseline, one.array)
        if one.tokens is not None:
            return one.tokens.baseline(baseline, one.array, one.mask, given.bounds, request.seed)
        return resolve_baseline(
            baseline, one.array, one.layout, bounds=given.bounds, seed=request.seed, mask=one.mask
        )
    except BaselineError as cause:
        raise BaselineError(f"For the input {given.name!r}: {cause}") from cause


def _ids_among(seen: tuple[Joint, Examples], spellings: Sequence[Spelling | None]) -> dict[int, GivenIds]:
    """Give the inputs that may be token ids, by their index in `unmoved`."""
    backend, examples = seen
    if "layers" not in backend.provides:
        return {}

    def of(place: int, spelling: Spelling | None) -> GivenIds:
        def replaced(few: Examples, other: Array) -> Examples:
            return replace(few, unmoved=(*few.unmoved[:place], other, *few.unmoved[place + 1 :]))

        return GivenIds(examples.unmoved[place], examples, replaced, place, spelling)

    return {
        place: of(place, spellings[place])
        for place, array in enumerate(examples.unmoved)
        if array.dtype.kind in "iu" and array.ndim <= 2
    }


def _as_tokens(backend: Joint, given: GivenInput, ids: GivenIds, call: TokenCalls) -> MovedInput:
    def at_vectors(copies: Examples, other: Array) -> tuple[Backend, Examples]:
        vectors = vectors_at(backend, call, ids.replaced(copies, other))
        parts = parts_of(
            [*(part.shape for part in backend.parts), vectors.shape[1:]],
            [*(part.layout for part in backend.parts), TOKEN_VECTORS],
        )
        rows = np.concatenate([copies.inputs[0], parts[-1].flat(vectors)], axis=-1)
        moved = backend.inner.reading({len(backend.parts): call})
        return Joint(moved, parts), copies.with_inputs((rows,))

    tokens = tokens_of(backend, call, ids, at_vectors)
    mask = resolve_mask(given.lengths, ids.ids, given.layout.batch_first)
    return MovedInput(given, tokens.vectors_of(ids.ids), TOKEN_VECTORS, mask, tokens)
