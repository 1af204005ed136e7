"""A text as ids, and what is needed of a tokenizer of any library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from explain.inputs.text.tokens import Kind, Span


@dataclass(frozen=True)
class Encoded:
    """One text as ids, without padding for other texts.

    Parameters
    ----------
    ids : tuple of int
        The ids, with those of special tokens that the tokenizer adds.
    names : tuple of str
        The name of each token in the vocabulary.
    spans : tuple of (int, int) or None
        The characters of the text that each token stands for, None where it stands for none or that is not known.
    kinds : tuple of str
        The kind of each token, see `explain.inputs.text.tokens.Token`.
    more : Mapping
        What else the tokenizer gives for each token, such as ``"token_type_ids"``, by name.
    """

    ids: tuple[int, ...]
    names: tuple[str, ...]
    spans: tuple[Span | None, ...]
    kinds: tuple[Kind, ...]
    more: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


class Tokenizer(Protocol):
    """What is needed of a tokenizer."""

    @property
    def padding(self) -> int | None:
        """The id of padding, None if there is none."""

    @property
    def hidden(self) -> frozenset[int]:
        """The ids of tokens for hidden words, such as ``[MASK]``."""

    def encoded(self, text: str) -> Encoded:
        """Give a text as ids, with special tokens."""

    def pieces(self, text: str) -> tuple[int, ...]:
        """Give a text as ids, without special tokens."""

    def is_unknown(self, token: int) -> bool:
        """Tell whether a token stands for any word that is not in the vocabulary."""

    def shown(self, token: int) -> str:
        """Give the characters that a token stands for, with the space that it begins with."""

    def named(self, name: str) -> int | None:
        """Give the id of a token by its name in the vocabulary, None if there is no such token."""


def kinds_of(are_special: list[bool], padding: int = 0) -> tuple[Kind, ...]:
    """Give the kinds of tokens, of which some are special, with so many tokens of padding after them.

    Examples
    --------
    >>> kinds_of([True, False], 1)
    ('special', 'word', 'padding')
    """
    kinds: list[Kind] = ["special" if one else "word" for one in are_special]
    kinds += ["padding"] * padding
    return tuple(kinds)


def known(*tokens: int | None) -> frozenset[int]:
    """Give the ids that are not None.

    Examples
    --------
    >>> sorted(known(3, None, 0))
    [0, 3]
    """
    return frozenset(int(token) for token in tokens if token is not None)
