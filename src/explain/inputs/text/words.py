"""From tokens to words: the pieces of a word joined, and their numbers reduced to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from explain.inputs.examples import Array
from explain.inputs.reduction import Reduction, reduced
from explain.inputs.text.tokens import Text


def joined(text: Text) -> tuple[Text, list[list[int]]]:
    """Give a text with one token for each word, and the places of the pieces of each.

    Examples
    --------
    >>> from explain.inputs.text.tokens import Token
    >>> found, places = joined(Text("unable to", (Token("un", 0), Token("able", 0), Token("to", 1, space=True))))
    >>> [one.name for one in found.tokens], places
    (['unable', 'to'], [[0, 1], [2]])
    """
    words, places = [], []
    for number, (_, pieces) in enumerate(groupby(enumerate(text.tokens), lambda one: one[1].word)):
        own, tokens = zip(*pieces, strict=True)
        name = "".join(token.name for token in tokens)
        words.append(replace(tokens[0], name=name, word=number))
        places.append(list(own))
    return replace(text, tokens=tuple(words)), places


def word_values(values: Array, places: Sequence[Sequence[int]], reduction: Reduction) -> Array:
    """Give one number for each word from the numbers of its pieces.

    It is what the reduction gives for the vectors of all pieces as one vector: the root of the sum of squared norms,
    the sum, the mean, or the largest.

    Examples
    --------
    >>> word_values(np.array([3.0, 4.0, 1.0]), [[0, 1], [2]], "norm").tolist()
    [5.0, 1.0]
    """
    return np.array([reduced(values[list(own)], reduction) for own in places])
