"""Examples as they are drawn, before they become the input of a model, and the class that a shortcut names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import numpy.typing as npt

Shortcut = Literal["agreeing", "absent", "misleading", "random"]

SHORTCUTS: tuple[Shortcut, ...] = ("agreeing", "absent", "misleading", "random")
NO_CLASS = -1


@dataclass(frozen=True, eq=False)
class Drawn:
    """One example, or several in one more axis N.

    Attributes
    ----------
    x : numpy.ndarray of uint8, shape (H, W, 3) or (T,)
        The picture, or the token ids.
    y : numpy.ndarray of int64, shape ()
        The class of the object or of the motif.
    object_mask, shortcut_mask : numpy.ndarray of bool, shape (H, W) or (T,)
        Where `x` shows the object, and where the shortcut.
    shortcut_class : numpy.ndarray of int64, shape ()
        The class that the shortcut names; -1 without a shortcut.
    background : numpy.ndarray of uint8, shape of `x`
        The same example without object and shortcut.
    """

    x: npt.NDArray[np.uint8]
    y: npt.NDArray[np.int64]
    object_mask: npt.NDArray[np.bool_]
    shortcut_mask: npt.NDArray[np.bool_]
    shortcut_class: npt.NDArray[np.int64]
    background: npt.NDArray[np.uint8]


Draw = Callable[[np.random.Generator, int, Shortcut], Drawn]


def drawn(draw: Draw, count: int, classes: int, seed: int, shortcut: Shortcut) -> Drawn:
    """Draw examples; their classes take turns, and each has its own generator.

    Parameters
    ----------
    draw : callable
        Draws one example from a generator, its class and the kind of shortcut.
    count : int
        The number of examples, N.
    classes : int
        The number of classes.
    seed : int
        Seed of the generators, each with the number of its example.
    shortcut : {"agreeing", "absent", "misleading", "random"}
        The class that the shortcut names.

    Returns
    -------
    Drawn
        The examples, with the axis N in front.
    """
    return stacked(
        [draw(np.random.default_rng((seed, index)), index % classes, shortcut) for index in range(count)]
    )


def stacked(examples: Sequence[Drawn]) -> Drawn:
    """Stack examples along a new first axis N."""
    return Drawn(
        **{one.name: np.stack([getattr(example, one.name) for example in examples]) for one in fields(Drawn)}
    )


def named_class(generator: np.random.Generator, y: int, classes: int, shortcut: Shortcut) -> int:
    """Draw the class that a shortcut names; the generator advances by as much for every kind of shortcut.

    Examples
    --------
    >>> named_class(np.random.default_rng(0), 2, 6, "agreeing")
    2
    """
    another = (y + int(generator.integers(1, classes))) % classes
    independent = int(generator.integers(classes))
    named = {"agreeing": y, "absent": NO_CLASS, "misleading": another, "random": independent}
    return named[shortcut]
