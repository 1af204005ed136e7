"""Which calls of embeddings read some token ids, found by what each call receives when the ids change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.backends.chunks import row_chunks
from explain.backends.protocol import Backend, LayeredBackend
from explain.errors import ExplainError
from explain.inputs.examples import Array, Examples
from explain.inputs.layer_calls import LayerCall

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
    """

    ids: Array
    examples: Examples
    replaced: Callable[[Examples, Array], Examples]
    place: int = 0

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


def reading_calls(backend: LayeredBackend, given: GivenIds) -> tuple[LayerCall, ...]:
    """Give the calls of the embeddings of a model that receive the ids, one vector for each, in their order."""
    found: tuple[LayerCall, ...] = given.known(
        backend, "reading calls", lambda: _reading_calls(backend, given)
    )
    return found


def _reading_calls(backend: LayeredBackend, given: GivenIds) -> tuple[LayerCall, ...]:
    layers = {name for name, layer in backend.named_layers.items() if is_embedding(layer)}
    calls = backend.layer_calls(given.examples) if layers else ()
    return _those_that_read(backend, [call for call in calls if call.name in layers], given)


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
    ids, real, others = given.tokens({padding_id(backend.named_layers[call.name]) for call in calls})
    # A bag of ids has a single vector.
    calls = [one for call in calls for one in _by_row(call) if len(one.shape) == ids.ndim + 1]
    numbers = np.where(real, np.arange(1, ids.size + 1).reshape(ids.shape), 0)
    digits = range(int(numbers.max()).bit_length())
    variants = [ids, *(np.where(numbers >> digit & 1, others, ids) for digit in digits)]
    try:
        received = _received(backend, calls, given.variants(variants))
    except ExplainError:
        # A model may refuse ids without those that it needs, such as the one at the end of a sentence.
        received = _received(backend, calls, given.variants([ids]))
        return tuple(
            call
            for call, (first, *_) in zip(calls, received, strict=True)
            if first.shape == ids.shape and np.array_equal(first, ids)
        )
    found = []
    for call, (first, *rest) in zip(calls, received, strict=True):
        if first.shape != ids.shape or not np.array_equal(first, np.rint(first)):
            continue
        changed = sum((one != first).astype(np.int64) << digit for digit, one in enumerate(rest))
        if np.array_equal(changed, numbers):
            found.append(call)
    return tuple(found)


def _by_row(call: LayerCall) -> Sequence[LayerCall]:
    """Give a call for each row of an example: a model may put several inputs on the axis of the examples."""
    if not call.has_steps or call.shape[0] > _MOST_ROWS:
        return (call,)
    return [call.of_rows(row, row + 1) for row in range(call.shape[0])]


def are_read_in_order(backend: LayeredBackend, calls: Sequence[LayerCall], given: GivenIds) -> bool:
    """Tell whether calls receive the ids of each example in its own row: a model may sort its examples first."""
    few = slice(0, _MOST_EXAMPLES)
    if len(given.ids) == 1 or backend.fixed_batch_size == 1:
        return True
    try:
        received = _received(backend, calls, given.examples.rows(few))
    except ExplainError:
        # The model's outputs are asked for next: they show why.
        return True
    ids = given.ids[few]
    return all(one.shape != ids.shape or np.array_equal(one, ids) for one in received)


def is_read_elsewhere(
    whole: LayeredBackend,
    at_vectors: Callable[[Examples, Array], tuple[Backend, Examples]],
    given: GivenIds,
    paddings: Collection[int],
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
    paddings : collection of int
        The ids of padding.
    """
    found = given.known(
        whole, "read elsewhere", lambda: _is_read_elsewhere(whole, at_vectors, given, paddings)
    )
    return found is True


def _is_read_elsewhere(
    whole: Backend,
    at_vectors: Callable[[Examples, Array], tuple[Backend, Examples]],
    given: GivenIds,
    paddings: Collection[int],
) -> bool | None:
    """Give None if it cannot be told."""
    ids, real, others = given.tokens(paddings)
    variants = np.stack([ids, np.where(_ordinary(ids, real), others, ids)]).astype(given.ids.dtype)
    copies = given.variants([ids, ids])
    try:
        plain, moved = (
            np.concatenate([backend.outputs(examples.rows(rows))[0] for rows in _rows_of(backend, 2)])
            for backend, examples in (
                (whole, given.replaced(copies, variants)),
                at_vectors(copies, variants),
            )
        )
    except ExplainError:
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
