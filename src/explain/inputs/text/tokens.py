"""The tokens of a text, and the words that they belong to."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Span = tuple[int, int]
Kind = Literal["word", "special", "padding"]

# Between letters, these do not end a word; between digits, the second.
_WITHIN_WORDS = "'’"
_WITHIN_NUMBERS = ".,"


@dataclass(frozen=True)
class Token:
    """One token of a text, as a reader sees it.

    Parameters
    ----------
    name : str
        The characters of the text that it stands for; for a token that stands for none, its name in the vocabulary.
    word : int
        The number of its word: tokens with the same number are pieces of one word.
    kind : {"word", "special", "padding"}
        ``"special"`` for a token that the tokenizer adds, such as ``[CLS]``.
    space : bool
        Whether there is a space before it; a special token is between spaces.
    """

    name: str
    word: int
    kind: Kind = "word"
    space: bool = False


@dataclass(frozen=True)
class Text:
    """One explained text and its tokens, in the order of the ids.

    Parameters
    ----------
    text : str
        The text as it was given.
    tokens : tuple of Token
        Without padding that was added for other, longer texts.
    target, predicted : str
        For the next token of a text: the token that is explained, and the most likely token; else empty.
    """

    text: str
    tokens: tuple[Token, ...]
    target: str = ""
    predicted: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give the fields as plain data for JSON."""
        tokens = [[one.name, one.word, one.kind, one.space] for one in self.tokens]
        return {"text": self.text, "tokens": tokens, "target": self.target, "predicted": self.predicted}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Text:
        """Rebuild a text from the result of `to_json`.

        Examples
        --------
        >>> one = Text("a film", (Token("a", 0), Token("film", 1, space=True)), target="was")
        >>> Text.from_json(one.to_json()) == one
        True
        """
        tokens = tuple(Token(*entries) for entries in fields["tokens"])
        return cls(fields["text"], tokens, fields["target"], fields["predicted"])


def tokens_of(
    text: str, names: Sequence[str], spans: Sequence[Span | None], kinds: Sequence[Kind]
) -> tuple[Token, ...]:
    """Join tokens to words by the characters that they stand for.

    Two tokens that touch are pieces of one word if letters or digits meet where they touch; an apostrophe between
    letters is part of a word. Each ideograph and each punctuation mark is a word of its own.

    Parameters
    ----------
    text : str
        The text.
    names : sequence of str
        The name of each token in the vocabulary, shown where a token stands for no characters.
    spans : sequence of (int, int) or None
        The first character of each token, and the character after its last; None where it is not known.
    kinds : sequence of str
        The kind of each token.

    Examples
    --------
    >>> spans = [None, (0, 2), (2, 6), (6, 7), None]
    >>> kinds = ["special", "word", "word", "word", "special"]
    >>> found = tokens_of("Unable.", ["[CLS]", "un", "##able", ".", "[SEP]"], spans, kinds)
    >>> [(one.name, one.word) for one in found]
    [('[CLS]', 0), ('Un', 1), ('able', 1), ('.', 2), ('[SEP]', 3)]
    """
    found: list[Token] = []
    word, stop, last = -1, 0, None
    for name, given, kind in zip(names, spans, kinds, strict=True):
        span = None if given is None or kind != "word" else _without_spaces(text, given)
        if span is None or last is None or not _continues_word(text, last, span):
            word += 1
        if span is None:
            found.append(Token(name, word, kind, bool(found)))
        else:
            # A character of several tokens, such as an emoji of several bytes, is shown once.
            shown = text[max(span[0], stop) : span[1]]
            after_special = bool(found) and found[-1].kind == "special"
            space = after_special or (bool(found) and any(map(str.isspace, text[stop : span[0]])))
            found.append(Token(shown, word, kind, space))
            stop = max(stop, span[1])
        last = span
    return tuple(found)


def spans_by_search(text: str, pieces: Sequence[str | None]) -> list[Span | None]:
    """Find the characters of each token in a text, for a tokenizer that does not tell them.

    Parameters
    ----------
    text : str
        The text.
    pieces : sequence of str or None
        What each token stands for, in any case; None for a token that stands for no characters, such as ``[CLS]``.

    Returns
    -------
    list of (int, int) or None
        None for a token that is not found. A single token that is not found, such as the one for an unknown word,
        stands for the characters between its neighbours; several stand for a single character there, as its bytes.

    Examples
    --------
    >>> spans_by_search("The Zürich film.", [None, "the", "[UNK]", "film", "."])
    [None, (0, 3), (4, 10), (11, 15), (15, 16)]
    """
    # In some scripts a small letter is more characters than its capital: places would be shifted.
    folded = str.lower if len(text.lower()) == len(text) else str
    searched = folded(text)
    found: list[Span | None] = []
    cursor = 0
    missing: list[int] = []
    for place, piece in enumerate([*pieces, ""]):
        if piece is None:
            found.append(None)
            continue
        wanted = folded(piece.strip())
        start = len(text) if place == len(pieces) else searched.find(wanted, cursor) if wanted else -1
        between = text[cursor : max(start, cursor)]
        if start < 0 or (not missing and place < len(pieces) and any(map(str.isalnum, between))):
            found.append(None)
            missing.append(place)
            continue
        between_found = _without_spaces(text, (cursor, start))
        # Several tokens that are not found may be the bytes of one character.
        if len(missing) == 1 or (between_found is not None and between_found[1] - between_found[0] == 1):
            for one in missing:
                found[one] = between_found
        missing = []
        found.append((start, start + len(wanted)))
        cursor = start + len(wanted)
    return found[:-1]


def _without_spaces(text: str, span: Span) -> Span | None:
    """Give the part of a span without the spaces at its ends; None for an empty span or for spaces only."""
    start, stop = span
    while start < stop and text[start].isspace():
        start += 1
    while start < stop and text[stop - 1].isspace():
        stop -= 1
    return (start, stop) if start < stop else None


def _continues_word(text: str, last: Span, span: Span) -> bool:
    """Tell whether a token continues the word of the token before it."""
    if span[0] < last[1]:
        return True
    if span[0] > last[1]:
        return False
    before, after = text[last[1] - 1], text[span[0]]
    if _is_letter(before) and _is_letter(after):
        return True
    mark, other, beyond = (
        (before, text[last[1] - 2 : last[1] - 1], after)
        if not _is_letter(before)
        else (after, before, text[span[0] + 1 : span[0] + 2])
    )
    if mark in _WITHIN_WORDS:
        return other.isalpha() and beyond.isalpha()
    return mark in _WITHIN_NUMBERS and other.isdigit() and beyond.isdigit()


def _is_letter(character: str) -> bool:
    """Tell whether a character continues a word: letters, digits, accents, underscores; ideographs do not."""
    if unicodedata.east_asian_width(character) in "WF":
        # Syllables of Hangul form words with spaces between them.
        return "HANGUL" in unicodedata.name(character, "")
    return character.isalnum() or character == "_" or unicodedata.category(character).startswith("M")
