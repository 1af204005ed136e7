"""Token ids: a model that reads them is explained at the outputs of its embeddings, with one number per token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from explain.backends.chunks import row_chunks
from explain.backends.embeddings.readers import (
    GivenIds,
    are_read_in_order,
    is_read_elsewhere,
    padding_id,
    reading_calls,
)
from explain.backends.protocol import Backend, LayeredBackend
from explain.errors import (
    BaselineError,
    ExplainWarning,
    InputError,
    ModelCallError,
    UnexplainedTokensWarning,
)
from explain.inputs.baseline import resolve_baseline, resolve_references
from explain.inputs.examples import Array, Examples
from explain.inputs.joined_calls import TOKEN_VECTORS, TokenCalls
from explain.inputs.masking import Mask
from explain.inputs.text.spelling import Spelling
from explain.public_calls.passes import uncounted

# The vectors are small compared with the model's activations.
_AT_ONCE = 256


@dataclass(frozen=True)
class Tokens:
    """A batch of token ids, and the calls of embeddings that read them.

    Parameters
    ----------
    ids : numpy.ndarray of int64
        Shape (N, T), or (N,).
    call : TokenCalls
        The calls.
    padding : int
        The id of padding.
    vectors_of : callable
        Maps ids of that shape to the vectors of the tokens, shape (N, T, C), in the precision of points.
    notes : tuple of (message, category)
        Warnings about the ids.
    spelling : Spelling, optional
        The strings of the ids, if the model takes strings.
    """

    ids: Array
    call: TokenCalls
    padding: int
    vectors_of: Callable[[Array], Array]
    notes: tuple[tuple[str, type[ExplainWarning]], ...] = ()
    spelling: Spelling | None = None

    def baseline(
        self, given: Any, vectors: Array, mask: Mask | None, bounds: tuple[float, float] | None, seed: int
    ) -> tuple[Array, Mapping[str, Any]]:
        """Give the vectors of the baseline, and the rule that it follows.

        None is the padding token, an integer is that token, an array of integers has one token per position;
        a rule or other numbers apply to the vectors.
        """
        values = np.asarray(self.padding if given is None else given) if not isinstance(given, str) else None
        if values is None or values.dtype.kind not in "iu":
            return resolve_baseline(given, vectors, TOKEN_VECTORS, bounds=bounds, seed=seed, mask=mask)
        try:
            ids = np.broadcast_to(values, self.ids.shape).astype(np.int64)
        except ValueError as cause:
            raise BaselineError(
                f"baseline has shape {values.shape}, which does not broadcast to the {self.ids.shape} token ids: give "
                "one token for all positions, or one for each."
            ) from cause
        if mask is not None:
            ids = np.where(mask, ids, self.ids)
        rule = {"rule": "token", "id": int(values)} if values.ndim == 0 else {"rule": "tokens"}
        try:
            return self.vectors_of(ids), rule
        except ModelCallError as cause:
            if self.spelling is not None:
                raise BaselineError(
                    f"baseline={self.spelling.named(ids)!r}: the model does not run on it. {cause} Give baseline= a "
                    "string that the model knows."
                ) from cause
            raise BaselineError(
                f"baseline={'None, the padding token' if given is None else given!r}: the model does not run on "
                f"examples of these token ids. {cause} Give ids that it takes, one for each place, or "
                "baseline='zeros': no vectors, for which it runs on the ids of x."
            ) from cause

    def references(self, given: Any, vectors: Array) -> tuple[Array, Mapping[str, Any]]:
        """Give the vectors of a set of references, shape (R, T, C), and the rule that they follow.

        Integers are the token ids of reference examples, shape (R, T); other numbers are vectors.
        """
        if given is None:
            what = "strings" if self.spelling is not None else "token ids"
            raise BaselineError(
                f"baseline is not given: this method compares the {what} with a set of reference examples. Give them "
                f"as x is given, an array of {what}, for example baseline=x_train[:64]."
            )
        if not isinstance(given, np.ndarray) or given.dtype.kind not in "iu":
            return resolve_references(given, vectors)
        several, rule = resolve_references(given, self.ids)
        # The rest of the call has a row for each example, whose vectors are alike.
        found = [self.vectors_of(np.broadcast_to(one, self.ids.shape))[0] for one in several]
        return np.stack(found), rule


def seen_as_tokens(
    backend: Backend, examples: Examples, *, may_stay: bool = False, spelling: Spelling | None = None
) -> tuple[Tokens, LayeredBackend, Examples] | None:
    """Start a model that reads token ids at its embeddings; give the tokens, that model, and its examples.

    Parameters
    ----------
    backend : Backend
        The model.
    examples : Examples
        The ids.
    may_stay : bool
        Whether to give None if no embedding turns each of the ids into a vector: a method may exchange the ids.
    spelling : Spelling, optional
        The strings of the ids, if the model takes strings.

    Raises
    ------
    InputError
        If no embedding turns each of the ids into a vector, and the ids may not stay.
    """
    (ids,) = examples.inputs
    whole = cast(LayeredBackend, backend)
    given = GivenIds(ids, examples, lambda few, other: few.with_inputs((other,)), spelling=spelling)
    call = reading_calls(whole, given)
    if call is None and may_stay:
        return None
    if call is None and spelling is not None:
        raise InputError(no_vector_for_strings("x"))
    if call is None:
        count = f"{ids.shape[1]} tokens" if ids.ndim > 1 else "tokens"
        raise InputError(
            f"x has dtype {ids.dtype}, token ids, but no embedding of the model gives one vector for each of the "
            f"{count}. A layer that gives one vector for all of them, such as nn.EmbeddingBag, hides the tokens: take "
            "method='feature_ablation', 'occlusion', 'shapley_value_sampling', 'kernel_shap' or 'lime', which put "
            "baseline=, the id of another token, in the place of an id; or explain a model with an embedding layer of "
            "the same weights in its place, and the mean or the sum of its vectors after it."
        )

    def at_vectors(copies: Examples, other: Array) -> tuple[Backend, Examples]:
        vectors = vectors_at(whole, call, given.replaced(copies, other))
        return whole.at(call), copies.at_layer(vectors, None)

    unread = np.flatnonzero(~call.real.any(axis=-1))
    if unread.size and is_read_elsewhere(whole, at_vectors, given, None):
        if may_stay:
            return None
        raise InputError(_read_in_part(call, unread))
    tokens = tokens_of(whole, call, given, at_vectors)
    return tokens, whole.at(call), examples.at_layer(tokens.vectors_of(ids), examples.mask)


def tokens_of(
    whole: LayeredBackend,
    call: TokenCalls,
    given: GivenIds,
    at_vectors: Callable[[Examples, Array], tuple[Backend, Examples]],
) -> Tokens:
    """Give the tokens that some calls read, with a warning if something else in the model reads them too.

    Parameters
    ----------
    whole : LayeredBackend
        The model.
    call : TokenCalls
        The calls that read the ids.
    given : GivenIds
        The ids.
    at_vectors : callable
        For copies of an example, and other ids: the model that starts at vectors, and the copies with the vectors of
        these ids, whose own ids stay as they are.
    """
    if not are_read_in_order(whole, call, given):
        # One example at a time has nothing to sort.
        whole.fixed_batch_size = 1
    paddings = [padding_id(whole.named_layers[one.name]) for one in call.calls]
    notes: tuple[tuple[str, type[ExplainWarning]], ...] = ()
    in_a_row = call.reads_all and (given.spelling is None or given.spelling.separator is not None)
    if is_read_elsewhere(whole, at_vectors, given, paddings if in_a_row else None):
        notes = ((_read_elsewhere(call), UnexplainedTokensWarning),)

    def vectors_of(other: Array) -> Array:
        return vectors_at(whole, call, given.replaced(given.examples, other.astype(given.ids.dtype)))

    return Tokens(given.ids, call, next(filter(None, paddings), 0), vectors_of, notes, given.spelling)


def no_vector_for_strings(name: str) -> str:
    """Say that no embedding reads strings, and what explains them."""
    return (
        f"{name} has strings, but no embedding of the model gives one vector for each, at which a gradient could be "
        "taken: the model turns them into other numbers, such as one-hot ones or counts. Take "
        "method='feature_ablation', 'occlusion', 'shapley_value_sampling', 'kernel_shap' or 'lime', which put "
        "baseline=, another string, in the place of one."
    )


def _read_in_part(call: TokenCalls, unread: Array) -> str:
    places = f"{'position' if unread.size == 1 else 'positions'} {', '.join(map(str, unread))}"
    return (
        f"x has whole numbers, of which {call.label} give vectors, but no embedding reads those at {places}, alone or "
        "in their order (from 0 on), which reach the score: one method cannot change both as they are. Take "
        "method='feature_ablation', 'occlusion', 'shapley_value_sampling', 'kernel_shap' or 'lime', which put "
        "baseline= in the place of a number; or explain a model that takes these numbers as an input of their own, in "
        "floating point."
    )


def _read_elsewhere(call: TokenCalls) -> str:
    return (
        f"The token ids reach the score in another way too than through {call.label}, which gives their vectors: by an "
        "operation on the ids themselves, or by an embedding that reads them shifted or in part. There the ids of x "
        "stay, and no token's value contains it. Have every reader of the ids be an embedding layer that is called "
        "with the ids as they are."
    )


@uncounted()
def vectors_at(backend: LayeredBackend, call: TokenCalls, examples: Examples) -> Array:
    """Give the vectors of the tokens of examples, shape (N, T, C), in the precision of points."""
    parts = [
        call.joined([backend.activations(one, examples.rows(rows)) for one in call.calls])
        for rows in row_chunks(len(examples), backend.fixed_batch_size or _AT_ONCE)
    ]
    return np.ascontiguousarray(np.concatenate(parts), dtype=backend.dtype)
