"""Which calls of embeddings read some token ids, found by what each call receives when the ids change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.backends.chunks import row_chunks
from explain.backends.protocol import Backend, LayeredBackend
from explain.errors import ExplainError
from explain.inputs.examples import Array, Examples
from explain.inputs.joined_calls import Span, TokenCalls
from explain.inputs.layer_calls import LayerCall
from explain.inputs.text.spelling import Spelling
from explain.public_calls.passes import uncounted

_EMBEDDINGS = ("Embedding", "EmbeddingBag")

# Outputs that differ by more, as a share of what the change of the ids changes, differ by more than rounding.
_SHARE = 1e-3
_ROUNDING = 1e-5

# More rows an example are not those of several inputs.
_MOST_ROWS = 8

# A model that sorts its examples sorts so many already.
_MOST_EXAMPLES = 64


@dataclass(frozen=True)
class GivenIds:
    """Token ids among the inputs of a model, and how to give the model other ids.

    Parameters
    ----------
    ids : numpy.ndarray of int
        Shape (N, T), or (N,).
    examples : Examples
        The examples that contain them.
    replaced : callable
        Gives examples with other ids in their place.
    place : int
        Their position among the inputs that no method changes.
    spelling : Spelling, optional
        The strings of the ids, if the model takes strings.
    """

    ids: Array
    examples: Examples
    replaced: Callable[[Examples, Array], Examples]
    place: int = 0
    spelling: Spelling | None = None

    def known(self, backend: LayeredBackend, what: str, find: Callable[[], Any]) -> Any:
        """Give what is known of a model and ids of this shape, or find it; None, if it cannot be told, is not kept."""
        key = what, self.place, self.ids.shape[1:], *self.examples.companions
        found = backend.observed.get(key)
        if found is None:
            found = find()
            if found is not None:
                backend.observed[key] = found
        return found

    def variants(self, ids: Sequence[Array]) -> Examples:
        """Give copies of the example with the most tokens, each with its own ids, each of the shape of one example."""
        copies = self.examples.rows(np.full(len(ids), self._row))
        return self.replaced(copies, np.stack(ids).astype(self.ids.dtype))

    def tokens(self, paddings: Collection[int]) -> tuple[Array, npt.NDArray[np.bool_], Array]:
        """Give the ids of that example, which of them are no padding, and for each another id that the model takes."""
        ids = self.ids[self._row]
        greatest = self.ids.max(axis=0)
        real = ~np.isin(ids, list(paddings))
        if not real.any():
            real = np.ones(ids.shape, bool)
        others = np.where(ids > 0, ids - 1, ids + 1)
        # An id below a valid one is valid, whatever the size of the table. Padding may be treated in a special way.
        for step in (1, -3, -2, -1):
            other = ids + step
            fits = (other >= 0) & (other <= np.maximum(ids, greatest)) & ~np.isin(other, list(paddings))
            others = np.where(fits, other, others)
        return ids, real, others

    def paddings(self, backend: LayeredBackend, calls: Sequence[LayerCall]) -> set[int]:
        """Give the ids that stay when it is seen what reads the ids."""
        if self.spelling is not None:
            # Where strings are joined, an empty one at the end is none; any other string would move to its left.
            return set() if self.spelling.separator is None else {0}
        return {padding_id(backend.named_layers[call.name]) for call in calls}

    def candidates(self, paddings: Collection[int]) -> list[Array]:
        """Give ids to try in the place of those of that example: of strings several, as two may be alike to a model."""
        ids, _, others = self.tokens(paddings)
        if self.spelling is None:
            return [others]
        probes = self.spelling.probes
        return [np.where(ids != probe, probe, probes[number - 1]) for number, probe in enumerate(probes)]

    @property
    def _row(self) -> int:
        """The example with the most distinct ids."""
        return int(np.argmax([len(np.unique(one)) for one in self.ids]))


def is_embedding(layer: object) -> bool:
    """Tell by its class whether a layer maps integers to vectors."""
    return any(base.__name__ in _EMBEDDINGS for base in type(layer).__mro__)


def padding_id(embedding: object) -> int:
    """Give the id of padding."""
    return getattr(embedding, "padding_idx", None) or 0


@uncounted()
def reading_calls(backend: LayeredBackend, given: GivenIds) -> TokenCalls | None:
    """Give the calls of the embeddings of a model that receive the ids, one vector for each, in their order.

    If no call receives all of them: the calls that receive some that follow one another, such as one column each.
    None if there is none.
    """

    def find() -> tuple[TokenCalls, ...] | None:
        found = _reading_calls(backend, given)
        # Other strings may tell more than these.
        return found or (None if given.spelling is not None else ())

    found: tuple[TokenCalls, ...] | None = given.known(backend, "reading calls", find)
    return found[0] if found else None


def _reading_calls(backend: LayeredBackend, given: GivenIds) -> tuple[TokenCalls, ...]:
    layers = {name for name, layer in backend.named_layers.items() if is_embedding(layer)}
    calls = backend.layer_calls(given.examples) if layers else ()
    calls = tuple(call for call in calls if call.name in layers)
    whole = _those_that_read(backend, calls, given)
    if whole:
        return (TokenCalls.of(whole, count=given.ids.shape[1] if given.ids.ndim > 1 else 1),)
    in_part = _those_that_read_in_part(backend, calls, given)
    if not in_part:
        return ()
    some, spans = zip(*in_part, strict=True)
    return (TokenCalls.of(some, spans, given.ids.shape[1]),)


def _those_that_read_in_part(
    backend: LayeredBackend, calls: Sequence[LayerCall], given: GivenIds
) -> list[tuple[LayerCall, Span]]:
    """Give those calls of embeddings that receive some of the ids, and which: one after another, each by itself.

    What a call receives at a place must change with the digits of one token's position, and stay with the others: a
    number made of two tokens would change with a digit and with its opposite.
    """
    if given.ids.ndim != 2 or not calls:
        return []
    count = given.ids.shape[1]
    numbers = np.arange(1, count + 1)
    digits = range(count.bit_length())
    chosen = [numbers >> digit & 1 == 1 for digit in digits]
    try:
        # Columns, of which each has its own embedding, have no padding.
        seen = _changes(backend, calls, given, [where for one in chosen for where in (one, ~one)], ())
    except ExplainError:
        return []
    found = []
    for call, (first, changes) in zip(calls, seen, strict=True):
        # A size that the model leaves open is None.
        fits = len(call.shape) == first.ndim + 1 and call.shape[:-1] in (first.shape, (None,))
        if not fits or first.ndim > 1 or not np.array_equal(first, np.rint(first)):
            continue
        by_digit, by_opposite = (
            sum(one.astype(np.int64) << digit for digit, one in enumerate(changes[start::2]))
            for start in (0, 1)
        )
        read = np.atleast_1d(by_digit)
        is_one = np.array_equal(by_digit ^ by_opposite, np.full(first.shape, (1 << len(digits)) - 1))
        if is_one and read.size and np.array_equal(read, np.arange(read[0], read[0] + read.size)):
            found.append((call, (int(read[0]) - 1, int(read[-1]))))
    return found


def _those_that_read(
    backend: LayeredBackend, calls: Sequence[LayerCall], given: GivenIds
) -> tuple[LayerCall, ...]:
    """Give those calls of embeddings that receive the ids.

    The position of each token is written in binary, and the model runs once for each digit, with other ids where the
    digit is 1. A call reads the ids if what it receives changes in the same places by each digit. So positions, masks
    and segments, which have the same shape, are told from ids, whatever their sizes and the values of the tables.
    """
    if not calls:
        return ()
    paddings = given.paddings(backend, calls)
    ids, real, _ = given.tokens(paddings)
    # A bag of ids has a single vector. Keras gives one id an example an axis of its own.
    ranks = (ids.ndim + 1,) if ids.ndim else (1, 2)
    calls = [one for call in calls for one in _by_row(call) if len(one.shape) in ranks]
    numbers = np.where(real, np.arange(1, ids.size + 1).reshape(ids.shape), 0)
    digits = range(int(numbers.max()).bit_length())
    try:
        seen = _changes(backend, calls, given, [numbers >> digit & 1 == 1 for digit in digits], paddings)
    except ExplainError:
        # A model may refuse ids without those that it needs, such as the one at the end of a sentence.
        received = _received(backend, calls, given.variants([ids]))
        return tuple(
            call
            for call, (first, *_) in zip(calls, received, strict=True)
            if first.size == ids.size and np.array_equal(first.reshape(ids.shape), ids)
        )
    found = []
    for call, (first, changes) in zip(calls, seen, strict=True):
        if first.size == ids.size and np.array_equal(first, np.rint(first)):
            changed = sum(one.astype(np.int64) << digit for digit, one in enumerate(changes))
            if np.array_equal(np.reshape(changed, ids.shape), numbers):
                found.append(call)
    return tuple(found)


def _changes(
    backend: LayeredBackend,
    calls: Sequence[LayerCall],
    given: GivenIds,
    chosen: Sequence[Array],
    paddings: Collection[int],
) -> list[tuple[Array, list[Array]]]:
    """Give what each call receives, and where that changes with other ids in some places, for each choice of places.

    Raises
    ------
    ExplainError
        If the model takes no other ids.
    """
    ids, failure = given.tokens(paddings)[0], None
    found: list[tuple[Array, list[Array]]] = []
    for others in given.candidates(paddings):
        try:
            received = _received(
                backend, calls, given.variants([ids, *(np.where(where, others, ids) for where in chosen)])
            )
        except ExplainError as error:
            failure = error
            continue
        before = [changes for _, changes in found] or [[np.zeros((), bool)] * len(chosen)] * len(calls)
        found = [
            # What is the same for all examples, such as positions, may have a single row.
            (one[0], _with_changes(one, changes))
            for one, changes in zip(received, before, strict=True)
        ]
    if failure is not None and not found:
        raise failure
    return found


def _by_row(call: LayerCall) -> Sequence[LayerCall]:
    """Give a call for each row of an example: a model may put several inputs on the axis of the examples."""
    if not call.has_steps or call.shape[0] > _MOST_ROWS:
        return (call,)
    return [call.of_rows(row, row + 1) for row in range(call.shape[0])]


def _with_changes(received: Array, before: Sequence[Array]) -> list[Array]:
    """Add the places where the rows after the first differ from it."""
    if len(received) != 1 + len(before):
        # What is the same for all examples, such as positions, may have a single row.
        return [np.broadcast_to(one, received.shape[1:]) for one in before]
    return [one | (other != received[0]) for one, other in zip(before, received[1:], strict=True)]


@uncounted()
def are_read_in_order(backend: LayeredBackend, call: TokenCalls, given: GivenIds) -> bool:
    """Tell whether calls receive the ids of each example in its own row: a model may sort its examples first."""
    few = given.examples.rows(slice(0, _MOST_EXAMPLES))
    if len(few) == 1 or backend.fixed_batch_size == 1:
        return True
    back = np.arange(len(few))[::-1]
    try:
        received = _received(backend, call.calls, few)
        reversed_order = None if _are_equal(given, received, call) else few.rows(back)
        again = received if reversed_order is None else _received(backend, call.calls, reversed_order)
    except ExplainError:
        # The model's outputs are asked for next: they show why.
        return True
    # A model that looks the ids up, or moves them, keeps an order all the same.
    return reversed_order is None or all(
        np.array_equal(one[back], other) for one, other in zip(received, again, strict=True)
    )


def _are_equal(given: GivenIds, received: Sequence[Array], call: TokenCalls) -> bool:
    """Tell whether calls receive the ids as they are, each example in its row."""
    for one, (first, stop) in zip(received, call.spans, strict=True):
        rows = given.ids[: len(one)].reshape(len(one), -1)[:, first:stop]
        if one.size == rows.size and not np.array_equal(one.reshape(rows.shape), rows):
            return False
    return True


@uncounted()
def is_read_elsewhere(
    whole: LayeredBackend,
    at_vectors: Callable[[Examples, Array], tuple[Backend, Examples]],
    given: GivenIds,
    paddings: Collection[int] | None,
) -> bool:
    """Tell whether the ids change the output in another way than through the vectors of their embeddings.

    Parameters
    ----------
    whole : LayeredBackend
        The model.
    at_vectors : callable
        For copies of an example, and other ids: the model that starts at vectors, and the copies with the vectors of
        these ids, whose own ids stay as they are.
    given : GivenIds
        The ids.
    paddings : collection of int, optional
        The ids of padding. Without them every id counts, as in a table, whose columns have no ends and no extremes.
    """
    found = given.known(
        whole, "read elsewhere", lambda: _is_read_elsewhere(whole, at_vectors, given, paddings)
    )
    return found is True


def _is_read_elsewhere(
    whole: Backend,
    at_vectors: Callable[[Examples, Array], tuple[Backend, Examples]],
    given: GivenIds,
    paddings: Collection[int] | None,
) -> bool | None:
    """Give None if it cannot be told."""
    ids, real, _ = given.tokens(paddings or ())
    changed = real if paddings is None else _ordinary(ids, real)
    copies = given.variants([ids, ids])
    for others in given.candidates(paddings or ()):
        variants = np.stack([ids, np.where(changed, others, ids)]).astype(given.ids.dtype)
        with suppress(ExplainError):
            plain, moved = (
                np.concatenate([backend.outputs(examples.rows(rows))[0] for rows in _rows_of(backend, 2)])
                for backend, examples in (
                    (whole, given.replaced(copies, variants)),
                    at_vectors(copies, variants),
                )
            )
            break
    else:
        return None
    size = np.abs(plain).max()
    if np.abs(plain[0] - moved[0]).max() > _ROUNDING * size:
        # The model gives other outputs for the same input.
        return None
    gap = np.abs(plain[1] - moved[1]).max()
    return bool(gap > _SHARE * np.abs(plain[1] - plain[0]).max() + _ROUNDING * size)


def _ordinary(ids: Array, real: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Tell which tokens are likely words: a model may look for the others, at the ends or with extreme ids.

    If there are none, all that are no padding.
    """
    places = np.flatnonzero(real)
    inner = real & (ids != ids[real].max()) & (ids != ids[real].min())
    inner.reshape(-1)[places[[0, -1]]] = False
    return inner if inner.any() else real


def _received(backend: LayeredBackend, calls: Sequence[LayerCall], examples: Examples) -> list[Array]:
    """Give what calls receive for each example, shape (K, ...)."""
    parts = [backend.received(calls, examples.rows(rows)) for rows in _rows_of(backend, len(examples))]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def _rows_of(backend: Any, count: int) -> list[slice]:
    return list(row_chunks(count, backend.fixed_batch_size or count))
