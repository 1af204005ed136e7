"""Several texts as one array of token ids, with the places that are padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from explain.errors import InputError
from explain.inputs.examples import Array
from explain.inputs.masking import Mask
from explain.inputs.text.encoded import Encoded, Tokenizer, kinds_of
from explain.inputs.text.tokens import Text, tokens_of


@dataclass(frozen=True)
class Texts:
    """Texts as token ids.

    Parameters
    ----------
    texts : tuple of Text
        Each text and its tokens.
    ids : numpy.ndarray of int64
        Shape (N, T); shorter texts are padded at the end.
    mask : numpy.ndarray of bool
        Shape (N, T): False where the shorter texts are padded.
    tokenizer : Tokenizer
        The tokenizer that made the ids.
    more : Mapping of str to numpy.ndarray
        What else the tokenizer gives for each token, shape (N, T).
    input_name : str
        The name of the input for the ids, of a model that takes several inputs by name; else empty.
    """

    texts: tuple[Text, ...]
    ids: Array
    mask: Mask
    tokenizer: Tokenizer
    more: Mapping[str, Array] = field(default_factory=dict)
    input_name: str = ""

    def __len__(self) -> int:
        """Give N."""
        return len(self.texts)

    @property
    def are_padded(self) -> bool:
        """Whether any of the texts is padded."""
        return not self.mask.all()

    @property
    def last(self) -> tuple[int, ...]:
        """The place of the last token of each text that is no padding, nor a padding of the tokenizer's own."""
        return tuple(
            max(place for place, token in enumerate(one.tokens) if token.kind != "padding" or not place)
            for one in self.texts
        )

    def with_names(self, targets: Sequence[str], predicted: Sequence[str]) -> Texts:
        """Name the token that is explained for each text, and the most likely one."""
        texts = tuple(
            replace(one, target=target, predicted=most)
            for one, target, most in zip(self.texts, targets, predicted, strict=True)
        )
        return replace(self, texts=texts)


def strings_of(x: Any, *, tokenized: bool = True) -> list[str] | None:
    """Give the strings of an input, None for an input that has none.

    Parameters
    ----------
    x : object
        The input as the caller gave it.
    tokenized : bool
        Whether there is a tokenizer. Without one, rows of strings are a table and no texts.

    Raises
    ------
    InputError
        If some entries are strings and others are not, or a string is empty.

    Examples
    --------
    >>> strings_of("a film"), strings_of(["a", "b"]), strings_of([1, 2])
    (['a film'], ['a', 'b'], None)
    """
    if isinstance(x, np.ndarray) and x.dtype.kind in "OU":
        x = x.tolist()
    if isinstance(x, str):
        x = [x]
    if tokenized and isinstance(x, (list, tuple)) and any(_has_strings(one) for one in x):
        place = next(place for place, one in enumerate(x) if _has_strings(one))
        raise InputError(
            f"x[{place}]={x[place]!r} is no text, but x has strings in it: give one string for each example, such as "
            "its words joined by spaces."
        )
    if not isinstance(x, (list, tuple)) or not any(isinstance(one, str) for one in x):
        return None
    if any(hasattr(one, "shape") for one in x):
        # Several inputs, of which one is no array.
        return None
    for place, one in enumerate(x):
        if not isinstance(one, str):
            raise InputError(
                f"x[{place}] is of type {type(one).__name__}, but x has strings: give strings alone, one for each "
                "example."
            )
        if not one.strip():
            raise InputError(
                f"x[{place}]={one!r} is a text without a word, so there is nothing to explain: leave it out."
            )
    return [str(one) for one in x]


def _has_strings(one: Any) -> bool:
    """Tell whether an entry is bytes, or a list of strings, as of words or of a pair."""
    return isinstance(one, bytes) or (
        isinstance(one, (list, tuple)) and bool(one) and all(isinstance(part, str) for part in one)
    )


def texts_of(strings: Sequence[str], tokenizer: Tokenizer, steps: int | None = None) -> Texts:
    """Turn strings into token ids.

    Parameters
    ----------
    strings : sequence of str
        The texts.
    tokenizer : Tokenizer
        See `explain.inputs.text.recognised.tokenizer_of`.
    steps : int, optional
        The only number of tokens that the model takes: it was trained with padding, which is part of each text then.

    Raises
    ------
    InputError
        If a text has no token besides special ones, or more than `steps`.

    Examples
    --------
    >>> from explain.inputs.text.recognised import tokenizer_of
    >>> found = texts_of(["aab", "b"], tokenizer_of(lambda text: [ord(letter) for letter in text]))
    >>> found.ids.tolist(), found.mask.tolist()
    ([[97, 97, 98], [98, 0, 0]], [[True, True, True], [True, False, False]])
    """
    encoded = [tokenizer.encoded(one) for one in strings]
    for place, (text, one) in enumerate(zip(strings, encoded, strict=True)):
        if "word" not in one.kinds:
            raise InputError(
                f"tokenizer gives no token for x[{place}]={text!r} but special ones: there is nothing to explain; "
                "leave this text out, or check that the tokenizer is the model's."
            )
        if steps is not None and len(one.ids) > steps:
            raise InputError(
                f"x[{place}] has {len(one.ids)} tokens, but the model takes {steps}: shorten the text, or give a "
                "tokenizer that cuts it as in training."
            )
    padding = 0 if tokenizer.padding is None else tokenizer.padding
    if steps is not None:
        encoded = [_of_length(one, steps, padding) for one in encoded]
    count = max(len(one.ids) for one in encoded)

    def padded(rows: Sequence[Sequence[int]], value: int) -> Array:
        return np.array([[*row, *[value] * (count - len(row))] for row in rows], np.int64)

    names = [name for name in encoded[0].more if all(name in one.more for one in encoded)]
    return Texts(
        texts=tuple(
            Text(text, tokens_of(text, one.names, one.spans, one.kinds))
            for text, one in zip(strings, encoded, strict=True)
        ),
        ids=padded([one.ids for one in encoded], padding),
        mask=padded([[1] * len(one.ids) for one in encoded], 0).astype(bool),
        tokenizer=tokenizer,
        more={name: padded([one.more[name] for one in encoded], 0) for name in names},
    )


def _of_length(encoded: Encoded, steps: int, padding: int) -> Encoded:
    """Pad a text to a number of tokens."""
    more = steps - len(encoded.ids)
    return Encoded(
        ids=(*encoded.ids, *[padding] * more),
        names=(*encoded.names, *[""] * more),
        spans=(*encoded.spans, *[None] * more),
        kinds=(*encoded.kinds, *kinds_of([], more)),
    )
