"""Sequences of letters with one planted motif, and with a marker at the first position as the shortcut."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from explain.zoo.labels import LETTERS, MARKERS, MOTIFS
from explain.zoo.synthetic.drawn import NO_CLASS, Drawn, Shortcut, named_class

LENGTH = 24
VOCABULARY = ("", *LETTERS, *MARKERS)

Ids = npt.NDArray[np.uint8]

_MOTIFS = np.array([[VOCABULARY.index(letter) for letter in motif] for motif in MOTIFS], np.uint8)
_SIZE = _MOTIFS.shape[1]


def draw(generator: np.random.Generator, y: int, shortcut: Shortcut) -> Drawn:
    """Draw one sequence.

    The letters around the motif are drawn with equal probability until they contain no further motif. The same
    generator gives the same letters and the same motif with every kind of shortcut.

    Parameters
    ----------
    generator : numpy.random.Generator
        The generator of this sequence alone.
    y : int
        The class, whose motif is planted.
    shortcut : {"agreeing", "absent", "misleading", "random"}
        The class that the marker names; ``"absent"`` leaves a letter at the first position.

    Returns
    -------
    Drawn
        The token ids, shape (24,).

    Examples
    --------
    >>> sequence = draw(np.random.default_rng(0), 2, "agreeing")
    >>> [VOCABULARY[one] for one in sequence.x[sequence.object_mask]], VOCABULARY[sequence.x[0]]
    (['b', 'a', 'c'], 'BAC')
    """
    start = int(generator.integers(1, LENGTH - _SIZE + 1))
    object_mask = (np.arange(LENGTH) >= start) & (np.arange(LENGTH) < start + _SIZE)
    while True:
        background = generator.integers(1, len(LETTERS) + 1, size=LENGTH).astype(np.uint8)
        x = background.copy()
        x[object_mask] = _MOTIFS[y]
        # Each place of the motif held another letter before.
        if _motifs_in(background) == 0 and _motifs_in(x) == 1 and (x != background)[object_mask].all():
            break
    named = named_class(generator, y, len(MOTIFS), shortcut)
    shortcut_mask = np.zeros(LENGTH, np.bool_)
    if named != NO_CLASS:
        shortcut_mask[0] = True
        x[0] = VOCABULARY.index(MARKERS[named])
    return Drawn(x, np.array(y, np.int64), object_mask, shortcut_mask, np.array(named, np.int64), background)


def _motifs_in(ids: Ids) -> int:
    """Count the motifs, of any class, in a sequence of token ids."""
    windows = np.lib.stride_tricks.sliding_window_view(ids, _SIZE)
    return int((windows[:, None] == _MOTIFS).all(axis=2).sum())
