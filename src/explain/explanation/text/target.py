"""The target of a text: the name of a class, or the token that follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from explain.backends.protocol import Backend
from explain.errors import InputError, TargetError
from explain.explanation.one_input import OneInput
from explain.explanation.request import Request
from explain.explanation.several_inputs import SeveralInputs
from explain.inputs.examples import Array, Examples
from explain.inputs.naming.brief import brief
from explain.inputs.naming.class_names import has_names, numbered
from explain.inputs.text.batch import Texts
from explain.inputs.text.continuation import FOLLOWING, continuations_of, explained_columns

# Of the largest output: above rounding. Tokens before one that changes are computed from the same numbers.
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class TextTarget:
    """The target of a call on texts, with names resolved.

    Parameters
    ----------
    target : object
        As for `explain.inputs.target.resolve_target`.
    texts : Texts
        The texts; where a token is explained, with its name.
    predicted : numpy.ndarray of int, optional
        Where a token is explained: the most likely token of each text, shape (N,).
    labels : tuple of str
        Where a continuation is explained: what is explained of it for each text, in words.
    """

    target: Any
    texts: Texts
    predicted: Array | None = None
    labels: tuple[str, ...] = ()


def text_target(
    request: Request, texts: Texts, view: OneInput | SeveralInputs, examples: Examples, outputs: Array
) -> TextTarget:
    """Resolve the target of texts.

    Parameters
    ----------
    request, texts : Request, Texts
        The checked request and its texts.
    view, examples : OneInput or SeveralInputs, Examples
        The model at the vectors of the tokens, and the examples there.
    outputs : numpy.ndarray
        The outputs that are explained, shape (N, ...).

    Raises
    ------
    TargetError
        If a name is no class or no single token, or the model gives outputs for each token that are not its next.
    """
    target = request.target
    continuations = continuations_of(target)
    if continuations is not None:
        following = request.companions[FOLLOWING]
        columns, shown = explained_columns(continuations, following, texts.tokenizer.shown)
        return TextTarget(columns, texts.with_names(shown, [""] * len(texts)), labels=tuple(shown))
    if callable(target) or outputs.ndim < 2:
        return TextTarget(_without_names(target), texts)
    if outputs.ndim == 2:
        return TextTarget(numbered(target, request.class_names, outputs.shape[1:]), texts)
    if outputs.ndim > 3 or _is_index(target):
        return TextTarget(target, texts)
    places = _places(texts, view, examples, outputs)
    at_places = outputs[np.arange(len(outputs)), places]
    predicted: Array = at_places.argmax(axis=1)
    tokens = predicted.tolist() if target is None else _tokens(target, texts, outputs.shape[2])
    spelled = texts.tokenizer.shown
    named = texts.with_names([spelled(one) for one in tokens], [spelled(one) for one in predicted.tolist()])
    return TextTarget([*zip(places, tokens, strict=True)], named, predicted=predicted)


def _without_names(target: Any) -> Any:
    if has_names(target):
        raise TargetError(
            f"target={brief(target)} is a name, but the model has a single output for each text: leave target out."
        )
    return target


def _is_index(target: Any) -> bool:
    """Tell whether a target is one index into outputs of higher rank, or a list of them."""
    if isinstance(target, tuple) and len(target) > 1 and not any(isinstance(one, str) for one in target):
        return True
    return isinstance(target, list) and any(isinstance(one, tuple) for one in target)


def _tokens(target: Any, texts: Texts, count: int) -> list[int]:
    """Give the token that is explained for each text."""
    listed = target.tolist() if hasattr(target, "tolist") else target
    given = listed if isinstance(listed, (list, tuple)) else [listed] * len(texts)
    if len(given) != len(texts):
        raise TargetError(
            f"target has {len(given)} tokens for {len(texts)} texts: give one for each text, or one for all."
        )
    return [_token(one, texts, count) for one in given]


def _token(given: Any, texts: Texts, count: int) -> int:
    tokenizer = texts.tokenizer
    if isinstance(given, (int, np.integer)) and not isinstance(given, bool):
        if not 0 <= given < count:
            raise TargetError(
                f"target={given!r} is not a token of the model, whose outputs are for {count}: give an id from 0 to "
                f"{count - 1}, or a token as a string."
            )
        return int(given)
    if not isinstance(given, str):
        raise TargetError(
            f"target={brief(given)} is not a token: give a string or its id, one for each text or one for all, or "
            "leave it out for the most likely token."
        )
    try:
        pieces = tokenizer.pieces(given)
    except InputError:
        # A function may have no id for an unknown word.
        pieces = ()
    named = tokenizer.named(given)
    if len(pieces) == 1 and not tokenizer.is_unknown(pieces[0]):
        return pieces[0]
    if named is not None:
        # The spelling of the vocabulary, such as "[SEP]", "##able" or "ĠParis".
        return named
    spaced = tokenizer.pieces(f" {given}")
    advice = (
        f"give the first of them, another token, or target=explain.Continuation({given!r}) for all together"
    )
    if len(spaced) == 1 and len(pieces) > 1:
        advice = f"{f' {given}'!r}, with the space before it, is one token: give that"
    if len(pieces) > 1:
        shown = [tokenizer.shown(one) for one in pieces]
        raise TargetError(f"target={given!r} is {len(pieces)} tokens, {_listed(shown)}: {advice}.")
    raise TargetError(
        f"target={given!r} is not in the vocabulary of the tokenizer: give a token that is, or an id below {count}."
    )


def _places(texts: Texts, view: OneInput | SeveralInputs, examples: Examples, outputs: Array) -> list[int]:
    """Give the place of the output that is explained for each text: of the token that follows, or of a hidden one."""
    count = outputs.shape[1]
    if count != texts.ids.shape[1]:
        # The outputs of a decoder with ids of its own, which are the same number for each text.
        return [count - 1] * len(texts)
    if is_causal(texts, view, view.backend, examples, outputs):
        return list(texts.last)
    hidden = [
        [place for place, token in enumerate(row) if int(token) in texts.tokenizer.hidden]
        for row in texts.ids
    ]
    if all(len(one) == 1 for one in hidden):
        return [place for (place,) in hidden]
    raise TargetError(
        f"The model gives outputs of shape {outputs.shape[1:]} for each text, which depend on later tokens: they are "
        "not of the next token. Give target=(place, class), the place of a token and the number of its output; or hide "
        "one word of each text by the token of the model, such as [MASK]."
    )


def is_causal(
    texts: Texts, view: OneInput | SeveralInputs, backend: Backend, examples: Examples, outputs: Array
) -> bool:
    """Tell whether the outputs of tokens stay as they are when the last token of a text changes.

    Parameters
    ----------
    texts, view, examples : Texts, OneInput or SeveralInputs, Examples
        As for `text_target`.
    backend : Backend
        Gives the outputs of each token.
    outputs : numpy.ndarray
        Those outputs, shape (N, T, ...).
    """
    longest = int(np.argmax(texts.last))
    last = texts.last[longest]
    if last == 0:
        return True
    one = examples.rows(slice(longest, longest + 1))
    (array,) = one.inputs
    part = view.parts[_place_of_tokens(view, texts)] if isinstance(view, SeveralInputs) else None
    vectors = (array if part is None else part.shaped(array[..., part.columns])).copy()
    vectors[:, last] = -2 * vectors[:, last] + vectors[:, 0]
    if part is not None:
        array = array.copy()
        array[..., part.columns] = part.flat(vectors)
    changed, _ = backend.outputs(one.with_inputs((vectors if part is None else array,)))
    gaps = np.abs(changed[0] - outputs[longest])
    return bool(gaps[:last].max() <= _TOLERANCE * np.abs(outputs[longest]).max())


def _place_of_tokens(view: SeveralInputs, texts: Texts) -> int:
    return next(place for place, one in enumerate(view.moved) if one.given.name == texts.input_name)


def _listed(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(map(repr, names[:most]))
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
