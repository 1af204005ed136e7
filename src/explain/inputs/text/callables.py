"""Tokenizers that are functions from a string to ids; also the layers of Keras and KerasHub."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from explain.errors import InputError
from explain.inputs.text.encoded import Encoded, kinds_of, known
from explain.inputs.text.tokens import Kind, Span, spans_by_search

# Under which names a result may have its parts.
_IDS = ("input_ids", "token_ids", "ids")
_MASKS = ("attention_mask", "padding_mask")
_OFFSETS = ("offset_mapping", "offsets")
_TOKENS = ("tokens",)
# How a vocabulary marks what begins a word, goes on in a word, or ends it.
_MARKS = ("▁", "Ġ", "##", "@@", "</w>")
# Letters of several scripts, in no language.
_NO_WORD = "qжξx"
_SPECIAL = ("start_token_id", "end_token_id", "cls_token_id", "sep_token_id", "bos_token_id", "eos_token_id")


@dataclass(frozen=True)
class _Parts:
    """What a callable gives for one text."""

    ids: list[int]
    spans: list[Span] | None = None
    names: list[str] | None = None


class OfCallable:
    """A function from a string to ids.

    Parameters
    ----------
    given : callable
        From one string to its ids; or to a pair of ids and offsets, or ids and names; or to a mapping with
        ``"input_ids"`` or ``"token_ids"``, and perhaps ``"attention_mask"`` or ``"padding_mask"``,
        ``"offset_mapping"`` and ``"tokens"``. Where it gives no names, it is asked for them by ``id_to_token`` or
        ``get_vocabulary``, if it has one of these.
    """

    def __init__(self, given: Callable[[str], Any]) -> None:
        self._given = given
        # A preprocessor of KerasHub has the tokenizer in it.
        self._inner: Any = getattr(given, "tokenizer", None) or given
        listed = getattr(self._inner, "get_vocabulary", None)
        self._vocabulary = [str(word) for word in listed()] if callable(listed) else []
        padding = [_attribute(self._inner, name) for name in ("pad_token_id", "pad_id")]
        if self._vocabulary and not self._vocabulary[0]:
            # A layer that looks words up in its vocabulary pads with the empty word.
            padding.append(0)
        self.padding: int | None = next((one for one in padding if one is not None), None)
        self.hidden = known(_attribute(self._inner, "mask_token_id"))
        self._special = known(*(_attribute(self._inner, name) for name in _SPECIAL)) | self.hidden

    def encoded(self, text: str) -> Encoded:
        """Give a text as ids, with special tokens.

        Padding of the tokenizer's own remains, as the model was trained with it.
        """
        parts = self._parts(text)
        ids = parts.ids
        names: Sequence[str | None] = parts.names or [self._spelled(token) for token in ids]
        special = [token in self._special for token in ids]
        spans: Sequence[Span | None] | None = parts.spans
        if spans is None and None not in names:
            shown = [None if one else _unmarked(str(name)) for one, name in zip(special, names, strict=True)]
            spans = spans_by_search(text, shown)
        elif spans is None:
            spans = self._observed_spans(text, ids) or [None] * len(ids)
        shown_names = tuple(
            name if name is not None else f"#{token}" if span is None else text[slice(*span)]
            for token, name, span in zip(ids, names, spans, strict=True)
        )
        return Encoded(tuple(ids), shown_names, tuple(spans), self._kinds(ids, special))

    def pieces(self, text: str) -> tuple[int, ...]:
        """Give a text as ids, without special tokens."""
        left_out = self._special | known(self.padding)
        return tuple(token for token in self._parts(text).ids if token not in left_out)

    def is_unknown(self, token: int) -> bool:
        """Tell whether a token stands for any word that is not in the vocabulary: it has the id of one that is none."""
        try:
            return self.pieces(_NO_WORD) == (token,)
        except InputError:
            return False

    def shown(self, token: int) -> str:
        """Give the characters that a token stands for, as far as they are known."""
        return self._spelled(token) or f"#{token}"

    def named(self, name: str) -> int | None:
        """Give the id of a token by its name in the vocabulary, None if there is no such token."""
        look_up = getattr(self._inner, "token_to_id", None)
        if callable(look_up):
            # What it does for an unknown token is not agreed on: it may raise, or give the id of another one.
            try:
                found = int(look_up(name))
            except (KeyError, ValueError, TypeError):
                return None
            return found if self._spelled(found) == name else None
        return self._vocabulary.index(name) if name in self._vocabulary else None

    def _kinds(self, ids: Sequence[int], special: list[bool]) -> tuple[Kind, ...]:
        real = len(ids)
        while real and ids[real - 1] == self.padding:
            real -= 1
        return kinds_of(special[:real], len(ids) - real)

    def _parts(self, text: str) -> _Parts:
        try:
            found = self._given(text)
        except Exception as cause:  # The user's code may raise anything.
            raise InputError(
                f"tokenizer raised {type(cause).__name__} for the text {text[:40]!r}: {cause}. It gets one string and "
                "should give its ids, a list of whole numbers."
            ) from cause
        if hasattr(found, "keys"):
            ids, real, offsets, tokens = (
                next((found[name] for name in names if name in found), None)
                for names in (_IDS, _MASKS, _OFFSETS, _TOKENS)
            )
            return _real(_checked(ids, found), real, offsets, tokens)
        if isinstance(found, tuple) and len(found) == 2 and np.ndim(_plain(found[0])) > 0:
            ids, second = found
            named = all(isinstance(one, str) for one in second)
            return _real(_checked(ids, found), None, None if named else second, second if named else None)
        return _Parts(_checked(found, found))

    def _spelled(self, token: int) -> str | None:
        look_up = getattr(self._inner, "id_to_token", None)
        if callable(look_up):
            return str(look_up(token))
        return self._vocabulary[token] if token < len(self._vocabulary) else None

    def _observed_spans(self, text: str, ids: Sequence[int]) -> list[Span] | None:
        """Give the places of the words, or of the characters, if each alone has the id that it has in the text."""
        words: list[Span] = []
        for word in text.split():
            start = text.index(word, words[-1][1] if words else 0)
            words.append((start, start + len(word)))
        for spans in (words, [(place, place + 1) for place in range(len(text))]):
            if len(spans) == len(ids):
                try:
                    alone = [self._parts(text[slice(*span)]).ids for span in spans]
                except InputError:
                    continue
                if alone == [[token] for token in ids]:
                    return spans
        return None


def _attribute(given: Any, name: str) -> int | None:
    found = getattr(given, name, None)
    return int(found) if isinstance(found, (int, np.integer)) and not isinstance(found, bool) else None


def _unmarked(name: str) -> str:
    """Give the name of a token without the marks of vocabularies.

    Examples
    --------
    >>> _unmarked("##able"), _unmarked("▁the"), _unmarked("film</w>")
    ('able', 'the', 'film')
    """
    for mark in _MARKS:
        name = name.removeprefix(mark).removesuffix(mark)
    return name


def _plain(value: Any) -> Any:
    """Give a tensor or an array of any library as lists of numbers; anything else unchanged."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return value.numpy().tolist() if hasattr(value, "numpy") else value


def _checked(ids: Any, found: Any) -> list[int]:
    """Give ids as a list of whole numbers; a batch of one text counts as that text."""
    listed = _plain(ids)
    if isinstance(listed, (list, tuple)) and len(listed) == 1 and isinstance(listed[0], (list, tuple)):
        listed = listed[0]
    if not isinstance(listed, (list, tuple)) or not all(
        isinstance(one, (int, np.integer)) and not isinstance(one, bool) and one >= 0 for one in listed
    ):
        raise InputError(
            f"tokenizer gave {_short(found)}: for one string it should give the ids, a list of whole numbers of 0 or "
            "more; or a dict with input_ids and, if it can, offset_mapping."
        )
    return [int(one) for one in listed]


def _real(ids: list[int], real: Any, offsets: Any, tokens: Any) -> _Parts:
    """Put together what a callable gives, without the places that its mask leaves out."""
    rows = [_batch_of_one(_plain(value), len(ids)) for value in (real, offsets, tokens)]
    kept = [place for place in range(len(ids)) if rows[0] is None or rows[0][place]]
    spans, names = (None if row is None else [row[place] for place in kept] for row in rows[1:])
    return _Parts(
        [ids[place] for place in kept],
        None if spans is None else [(int(start), int(stop)) for start, stop in spans],
        None if names is None else [str(name) for name in names],
    )


def _batch_of_one(values: Any, count: int) -> Any:
    """Check that there is one entry for each id."""
    if values is not None and len(values) == 1 and count != 1:
        values = values[0]
    if values is not None and len(values) != count:
        raise InputError(
            f"tokenizer gave {count} ids, but {len(values)} entries of its mask, offsets or tokens: it should give "
            "one for each id."
        )
    return values


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
