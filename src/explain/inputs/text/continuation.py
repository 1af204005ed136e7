"""A continuation of a text, several tokens that follow it, as the target of a decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from explain.errors import InputError, TargetError
from explain.inputs.examples import Array
from explain.inputs.naming.brief import brief
from explain.inputs.text.batch import Texts

FOLLOWING = "tokens that follow"
"""The name of the places, the ids and the presence of the tokens that follow, shape (N, K, 3), among companions."""


@dataclass(frozen=True)
class Continuation:
    """A target of a decoder: the tokens that follow a text, which themselves stay fixed.

    The score is the logarithm of their probability: the sum over the tokens, each after the text and the tokens before
    it.

    Parameters
    ----------
    tokens : str or sequence of int
        What follows, as the tokenizer spells it behind a text (``" in Paris"`` and ``"in Paris"`` may differ); or its
        ids, such as those that the model has generated.
    token : int, optional
        Which of these tokens is explained, from 0, negative from the end; None explains them all together.

    Examples
    --------
    >>> Continuation(" in Paris")
    Continuation(tokens=' in Paris', token=None)
    """

    tokens: Any
    token: int | None = None


def continuations_of(target: Any) -> list[Continuation] | None:
    """Give the continuations of a target: one for all texts or one for each; None for any other target.

    Raises
    ------
    TargetError
        If some entries of a list are continuations and others are not.
    """
    if isinstance(target, Continuation):
        return [target]
    if not isinstance(target, (list, tuple)) or not any(isinstance(one, Continuation) for one in target):
        return None
    for place, one in enumerate(target):
        if not isinstance(one, Continuation):
            raise TargetError(
                f"target[{place}]={one!r} is no explain.Continuation, but others are: give one for each text, or one "
                "for all."
            )
    return list(target)


def not_foretold_error(shape: Sequence[int | None], least: int) -> TargetError:
    """Give the error for outputs of one text that do not foretell tokens, of which the greatest id is `least` - 1."""
    if len(shape) != 2:
        return TargetError(
            f"target is a continuation, but the model gives outputs of shape {tuple(shape)} for each text, not of the "
            "next token at each: give a decoder, such as a model for causal language modelling."
        )
    return TargetError(
        f"target has the id {least - 1} in a continuation, but the model knows {shape[1]} tokens: give ids from 0 to "
        f"{(shape[1] or 1) - 1}."
    )


@dataclass(frozen=True)
class Followed:
    """Texts with the tokens that follow them.

    Parameters
    ----------
    texts : Texts
        The texts; the tokens that follow, but the last, are behind their own in `ids`, and no part of `mask`.
    present : numpy.ndarray of int64
        Where the model reads a token: the mask that it gets, shape (N, T).
    following : numpy.ndarray of int64
        Shape (N, K, 3): for each token that follows, the place of the output that foretells it, its id, and 1; 0 where
        a text has fewer.
    """

    texts: Texts
    present: Array
    following: Array


def with_following(
    texts: Texts, given: Sequence[Continuation], *, in_decoder: bool, steps: int | None = None
) -> Followed:
    """Put tokens that follow behind the ids of texts; `in_decoder` if they are the input of a decoder of its own.

    Raises
    ------
    TargetError
        If there are not as many as texts, or one is no continuation of tokens.
    InputError
        If the model takes a fixed number of tokens.
    """
    if steps is not None:
        raise InputError(
            f"target is a continuation, but the model takes {steps} tokens, with padding behind a text: give one token "
            "that follows, as a string or an id."
        )
    each = list(given) * len(texts) if len(given) == 1 else list(given)
    if len(each) != len(texts):
        raise TargetError(
            f"target has {len(each)} continuations for {len(texts)} texts: give one for each text, or one for all."
        )
    ids = [_ids_of(one, texts) for one in each]
    most = max(map(len, ids))
    own = texts.mask.sum(axis=1)
    starts = np.zeros_like(own) if in_decoder else own - 1
    following = np.zeros((len(texts), most, 3), np.int64)
    for row, one in enumerate(ids):
        following[row, : len(one), 0] = starts[row] + np.arange(len(one))
        following[row, : len(one), 1], following[row, : len(one), 2] = one, 1
    if in_decoder:
        return Followed(texts, texts.mask.astype(np.int64), following)
    width = max(int(count) + len(one) - 1 for count, one in zip(own, ids, strict=True))
    padding = texts.tokenizer.padding or 0

    def widened(array: Array, value: int) -> Array:
        return np.pad(array, ((0, 0), (0, max(0, width - array.shape[1]))), constant_values=value)

    longer, present = widened(texts.ids, padding), widened(texts.mask.astype(np.int64), 0)
    for row, (count, one) in enumerate(zip(own, ids, strict=True)):
        longer[row, count : count + len(one) - 1] = one[:-1]
        present[row, count : count + len(one) - 1] = 1
    more = {name: widened(array, 0) for name, array in texts.more.items()}
    mask = widened(texts.mask.astype(np.int64), 0).astype(bool)
    return Followed(replace(texts, ids=longer, mask=mask, more=more), present, following)


def explained_columns(
    given: Sequence[Continuation], following: Array, shown: Any
) -> tuple[list[int], list[str]]:
    """Give the column of outputs, all tokens together and then each, and the name of what is explained, for each text.

    Raises
    ------
    TargetError
        If a continuation has no token of that number.
    """
    each = list(given) * len(following) if len(given) == 1 else list(given)
    columns, names = [], []
    for one, rows in zip(each, following, strict=True):
        ids = rows[rows[:, 2] == 1, 1].tolist()
        if one.token is None:
            columns.append(0)
            names.append(one.tokens if isinstance(one.tokens, str) else "".join(map(shown, ids)))
            continue
        if not isinstance(one.token, int) or not -len(ids) <= one.token < len(ids):
            raise TargetError(
                f"target has token={one.token!r}, but its continuation has {len(ids)} tokens, "
                f"{', '.join(repr(shown(token)) for token in ids[:8])}: give a number from 0 to {len(ids) - 1}, or "
                "leave token out for all together."
            )
        columns.append(1 + one.token % len(ids))
        names.append(shown(ids[one.token]))
    return columns, names


def _ids_of(one: Continuation, texts: Texts) -> list[int]:
    """Give the ids of a continuation."""
    given = one.tokens
    if isinstance(given, str):
        ids = list(texts.tokenizer.pieces(given))
        unknown = [token for token in ids if texts.tokenizer.is_unknown(token)]
        if not ids or unknown:
            raise TargetError(
                f"target has the continuation {brief(given)}, "
                f"{'of which a word is not in the vocabulary of the tokenizer' if ids else 'which has no token'}: give "
                "words that are, or ids."
            )
        return ids
    listed = given.tolist() if hasattr(given, "tolist") else given
    is_row = isinstance(listed, (list, tuple)) and len(listed) > 0
    if not is_row or not all(isinstance(token, (int, np.integer)) and token >= 0 for token in listed):
        raise TargetError(
            f"target has the continuation {brief(given)}: give a string, or the ids of its tokens as a list of whole "
            "numbers, such as those of one text that model.generate gives behind its prompt."
        )
    return [int(token) for token in listed]
