"""Strings that a model itself looks up: each is a number in a table for methods, and a string again for the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np

from explain.errors import BaselineError, InputError
from explain.inputs.examples import Array
from explain.inputs.text.tokens import Text, spans_by_search, tokens_of

# A word that no vocabulary has, and that the usual standardisation leaves as it is.
_UNKNOWN = "⁇"


@dataclass(frozen=True)
class Splitting:
    """How a model splits its strings into tokens.

    Parameters
    ----------
    separator : str
        What is between two tokens: a space between words, nothing between characters.
    steps : int, optional
        The number of tokens to which every string is padded or cut; None for that of the longest of a batch.
    count : callable, optional
        Gives the number of tokens of each of some strings; None if that is not known.
    in_order : bool
        Whether the model reads the tokens in their order, not how many there are of each.
    """

    separator: str
    steps: int | None = None
    count: Callable[[Sequence[str]], Sequence[int]] | None = None
    in_order: bool = True

    def pieces(self, text: str) -> list[str]:
        """Give the parts of a string that are one token each; what is none, such as a dash, goes with a neighbour."""
        parts = text.split() if self.separator else list(text)
        counts = self.count(parts) if self.count is not None and parts else [1] * len(parts)
        found: list[str] = []
        before = ""
        for part, number in zip(parts, counts, strict=True):
            if number:
                found.append(before + part)
                before = ""
            elif found:
                found[-1] += self.separator + part
            else:
                before += part + self.separator
        return found


@dataclass(frozen=True)
class StringReaders:
    """What is known of how a model reads strings.

    Parameters
    ----------
    words : tuple of str
        Some strings of the vocabularies of its layers.
    splittings : Mapping
        For inputs that are split into tokens, by the input's name; by None for any other input.
    names : tuple of str
        The names of the model's inputs, in their order, if it states them.
    """

    words: tuple[str, ...] = ()
    splittings: Mapping[str | None, Splitting] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    def splitting_of(self, name: str, place: int) -> Splitting | None:
        """Give how an input is split, by its name or else its place, None if it is not."""
        if name not in self.names and place < len(self.names):
            name = self.names[place]
        return self.splittings.get(name, self.splittings.get(None))


@dataclass(frozen=True)
class Spelling:
    """The strings of an input as numbers.

    Parameters
    ----------
    words : tuple of str
        The string of each number; the first is empty.
    texts : tuple of Text
        Each example, with its strings as tokens.
    separator : str, optional
        What joins the strings of an example to the one that the model gets; None if it gets each of them.
    keeps_axis : bool
        Whether the joined strings have the shape (N, 1), not (N,).
    has_open_length : bool
        Whether the model pads the strings of a batch to the longest of them, which may change what it gives.
    probes : tuple of int
        The numbers of strings that are tried in the place of others, to see what reads them.
    """

    words: tuple[str, ...]
    texts: tuple[Text, ...]
    separator: str | None = None
    keeps_axis: bool = False
    has_open_length: bool = False
    probes: tuple[int, ...] = ()

    def strings(self, codes: Array) -> Array:
        """Give the strings of numbers, (N,) or (N, T), as the model takes them.

        Examples
        --------
        >>> Spelling(("", "a", "film"), (), " ").strings(np.array([[1, 0, 2], [2, 0, 0]])).tolist()
        ['a film', 'film']
        """
        # Noise on a number gives another string.
        found: Array = np.array(self.words, dtype=object)[codes.astype(np.int64) % len(self.words)]
        if self.separator is None:
            return found
        # Where nothing is in the place of a word, there is no word.
        joined = [self.separator.join(word for word in row if word) for row in found]
        return np.array(joined, dtype=object).reshape((-1, 1) if self.keeps_axis else (-1,))

    def marks(self, codes: Array) -> Array:
        """Give a number for each string that does not depend on which others there are; 0 for the empty one.

        Examples
        --------
        >>> first, second = Spelling(("", "red"), ()), Spelling(("", "blue", "red"), ())
        >>> bool(first.marks(np.array([1])) == second.marks(np.array([2])))
        True
        """
        # Whole numbers up to this size are exact in single precision.
        marks = [crc32(word.encode()) & 0xFFFFFF for word in self.words]
        found: Array = np.array(marks, np.float32)[codes.astype(np.int64)]
        return found

    def named(self, codes: Array) -> str | list[str]:
        """Give the strings of numbers: one if all are the same.

        Examples
        --------
        >>> Spelling(("", "red"), ()).named(np.array([1, 0])), Spelling(("", "red"), ()).named(np.array([1, 1]))
        (['red', ''], 'red')
        """
        found = [self.words[int(code)] for code in np.ravel(codes)]
        return found[0] if len(set(found)) == 1 else found


@dataclass(frozen=True)
class Spelled:
    """An input of strings, as numbers.

    Parameters
    ----------
    codes : numpy.ndarray of int64
        Shape (N,), or (N, T).
    spelling : Spelling
        The strings that they stand for.
    baseline : object
        The baseline as numbers; None for the empty string.
    lengths : list of int, optional
        The number of tokens of each string, if shorter ones are padded.
    """

    codes: Array
    spelling: Spelling
    baseline: Any = None
    lengths: list[int] | None = None


def strings_in(value: Any, to_host: Callable[[Any], Array | None]) -> Array | None:
    """Give an array, a tensor or nested lists of strings as an array of strings; None for anything else.

    Examples
    --------
    >>> strings_in([["a"], ["b"]], lambda value: None).shape, strings_in([1.0], lambda value: None)
    ((2, 1), None)
    """
    if isinstance(value, (str, bytes)):
        value = [value]
    host = to_host(value)
    if host is None and isinstance(value, (list, tuple)) and _first(value) is not None:
        host = np.array(value, dtype=object)
    if host is None or host.dtype.kind not in "OUST" or host.size == 0:
        return None
    flat = [one.decode() if isinstance(one, bytes) else one for one in host.ravel().tolist()]
    if not any(isinstance(one, str) for one in flat):
        return None
    odd = [one for one in flat if not isinstance(one, str)]
    if odd or host.ndim == 0 or host.ndim > 2:
        raise InputError(
            f"x has strings, but also {odd[0]!r}: give a string for each, as the model was trained with."
            if odd
            else f"x has strings of shape {host.shape}: give them as (N,) or (N, T), the examples first."
        )
    return np.array(flat, dtype=object).reshape(host.shape)


def spelled(
    strings: Array,
    baseline: Any,
    readers: StringReaders,
    splitting: Splitting | None,
    *,
    padded: bool,
    references: bool,
) -> Spelled:
    """Give strings as numbers.

    Parameters
    ----------
    strings : numpy.ndarray of str
        Shape (N,), or (N, T).
    baseline : object
        None, a string or an array of strings.
    readers, splitting : StringReaders, Splitting or None
        How the model reads strings, and this input in particular.
    padded : bool
        Whether split strings get as many tokens as the model reads: a method starts at their vectors.
    references : bool
        Whether `baseline` is a set of examples.

    Raises
    ------
    BaselineError
        If the baseline is not of strings, or is of several words for the place of one.
    InputError
        If strings differ in length, and the model pads them as it likes.
    """
    if splitting is not None and (strings.ndim == 1 or strings.shape[1] == 1):
        return _split(strings, baseline, readers, splitting, padded=padded, references=references)
    given = None if baseline is None else _strings_of_baseline(baseline)
    words = _table([*strings.ravel(), *(() if given is None else given.ravel()), *readers.words])
    codes = _codes(strings, words)
    rows = codes.reshape(len(codes), -1)
    seen = np.unique(rows[:1]).tolist() + np.unique(codes).tolist()[:4]
    probes = [0, *seen, *(words[word] for word in readers.words)]
    shown = tuple(_text([list(words)[code] for code in row]) for row in rows)
    spelling = Spelling(tuple(words), shown, probes=tuple(dict.fromkeys(probes)))
    return Spelled(codes, spelling, None if given is None else _codes(given, words))


def _split(
    strings: Array,
    baseline: Any,
    readers: StringReaders,
    splitting: Splitting,
    *,
    padded: bool,
    references: bool,
) -> Spelled:
    pieces = [splitting.pieces(text) for text in strings.ravel()]
    padded = padded and splitting.in_order
    if padded and splitting.steps is not None:
        pieces = [some[: splitting.steps] for some in pieces]
    counts = [len(some) for some in pieces]
    if padded and splitting.steps is None and len(set(counts)) > 1:
        raise InputError(
            f"x has texts of {min(counts)} to {max(counts)} tokens, which the model pads to the longest of each batch: "
            "explain texts of one length together, or each alone; or give the layer output_sequence_length=."
        )
    length = max(splitting.steps or 0 if padded else 0, *counts, 1)
    others: list[list[str]] = []
    if baseline is not None and references:
        others = [splitting.pieces(text)[:length] for text in _strings_of_baseline(baseline).ravel()]
    elif baseline is not None:
        if not isinstance(baseline, str):
            raise BaselineError(
                f"baseline={baseline!r} for texts: give one word, which is put in the place of each; '' leaves it out."
            )
        others = [splitting.pieces(baseline)]
        if len(others[0]) > 1:
            raise BaselineError(
                f"baseline={baseline!r} is {len(others[0])} tokens, and is put in the place of one: give one word; '' "
                "leaves it out."
            )
    tried = [*(one for one in readers.words if splitting.pieces(one) == [one]), _UNKNOWN]
    words = _table([*(one for some in [*pieces, *others] for one in some), *tried])

    def rows(some: Sequence[Sequence[str]]) -> Array:
        return np.array(
            [[*(words[one] for one in row), *[0] * (length - len(row))] for row in some], np.int64
        )

    shown = tuple(
        Text(text, tokens_of(text, some, spans_by_search(text, some), ["word"] * len(some)))
        for text, some in zip(strings.ravel(), pieces, strict=True)
    )
    # Without the empty string: it would move what follows.
    probes = tuple(words[one] for one in tried)
    is_open = splitting.in_order and splitting.steps is None
    spelling = Spelling(tuple(words), shown, splitting.separator, strings.ndim > 1, is_open, probes)
    start: Any = None
    if references and others:
        start = rows(others)
    elif others:
        start = np.int64(words[others[0][0]] if others[0] else 0)
    elif splitting.in_order and splitting.steps is None:
        # A text without a word has no step at all, which most models do not take.
        start = np.int64(words[_UNKNOWN])
    counts = [max(one, 1) for one in counts]
    return Spelled(rows(pieces), spelling, start, counts if len({*counts, length}) > 1 else None)


def _strings_of_baseline(baseline: Any) -> Array:
    found = None
    if not (isinstance(baseline, np.ndarray) and baseline.dtype.kind not in "OUST"):
        found = strings_in(baseline, lambda value: value if isinstance(value, np.ndarray) else None)
    if found is None:
        raise BaselineError(
            f"baseline={baseline!r}, but x has strings: give the string to put in the place of one, such as '' or one "
            "of the vocabulary, or an array of strings that broadcasts to x."
        )
    return found.reshape(()) if isinstance(baseline, str) else found


def _table(strings: Sequence[str]) -> dict[str, int]:
    """Number the strings; the empty one is the first."""
    return {word: number for number, word in enumerate(["", *sorted({*strings} - {""})])}


def _codes(strings: Array, words: Mapping[str, int]) -> Array:
    return np.array([words[one] for one in strings.ravel()], np.int64).reshape(strings.shape)


def _text(strings: Sequence[str]) -> Text:
    """Give the strings of an example as one text, each a token of its own."""
    text = " ".join(strings)
    stops = np.cumsum([len(one) + 1 for one in strings]).tolist()
    spans = [(stop - 1 - len(one), stop - 1) for one, stop in zip(strings, stops, strict=True)]
    return Text(text, tokens_of(text, strings, spans, ["word"] * len(strings)))


def _first(value: Any) -> str | bytes | None:
    """Give the first entry of nested lists if it is a string."""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return value if isinstance(value, (str, bytes)) else None
