"""The made data as the input of a model: the public call, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.errors import OptionError, ZooError
from explain.inputs.display import Display, shortened
from explain.inputs.naming.brief import brief
from explain.preprocessing.arithmetic import standardised
from explain.public_calls.callers_line import at_callers_line
from explain.zoo.checked_names import checked_framework, one_of
from explain.zoo.layers import Framework
from explain.zoo.model_input import ModelInput
from explain.zoo.synthetic.drawn import SHORTCUTS, Shortcut
from explain.zoo.synthetic.motifs import VOCABULARY
from explain.zoo.synthetic.sets import FIRST_SEED_OF_MODELS, SETS, draw_set


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Made examples, and where their evidence is.

    Attributes
    ----------
    x : numpy.ndarray of float32, or of int64 for token ids
        The inputs in the framework's layout: pictures (N, 3, 32, 32) or (N, 32, 32, 3) in [0, 1], or token ids (N, 24).
    y : numpy.ndarray of int64, shape (N,)
        The true classes; they take turns.
    classes : tuple of str
        The names of the classes.
    display : Display
        Mean, scale, bounds and classes; for sequences, also the tokens of each.
    layout : str
        One letter per axis of `x`: ``"NCHW"``, ``"NHWC"`` or ``"NT"``.
    object_mask : numpy.ndarray of bool, shape (N, H, W) or (N, T)
        Where `x` shows the object that makes the class, or the motif: exactly there.
    shortcut_mask : numpy.ndarray of bool, shape (N, H, W) or (N, T)
        Where `x` has the shortcut, the patch or the marker; nowhere if it is absent. It never overlaps the object.
    shortcut_class : numpy.ndarray of int64, shape (N,)
        The class that the shortcut names; -1 where it is absent.
    background : numpy.ndarray, shape and dtype of `x`
        `x` without object and shortcut: it differs from `x` everywhere in the two masks, and nowhere else.
    """

    x: npt.NDArray[Any]
    y: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    display: Display
    layout: str
    object_mask: npt.NDArray[np.bool_]
    shortcut_mask: npt.NDArray[np.bool_]
    shortcut_class: npt.NDArray[np.int64]
    background: npt.NDArray[Any]

    def __repr__(self) -> str:
        """Write shapes and the first class names, without the arrays."""
        return (
            f"GroundTruth(x={shortened(self.x)}, layout={self.layout!r}, y={shortened(self.y)}, "
            f"classes={shortened(self.classes)}, object_mask={shortened(self.object_mask)})"
        )

    def __len__(self) -> int:
        """Give the number of examples."""
        return len(self.y)


@at_callers_line
def ground_truth(
    name: str, n: int = 32, seed: int = 0, framework: str = "torch", shortcut: str = "agreeing"
) -> GroundTruth:
    """Make examples whose evidence is known, with exact masks of it.

    ``"shapes"`` are pictures of 32×32 pixels: one of six shapes, of random place, size, turn and colour, over a random
    texture. The shortcut is a patch of 5×5 pixels in the upper left corner, in one of six colours, one for each class.
    ``"motifs"`` are sequences of 24 tokens: letters drawn at random, and among them once one of the six orders of a, b
    and c, which is the class. The shortcut is a marker at the first position, one of six tokens.

    The background is drawn independently of the class. The same seed gives the same bytes on every machine, and the
    first examples of a larger `n` are those of a smaller one. The four kinds of shortcut differ only where the shortcut
    is.

    Parameters
    ----------
    name : {"shapes", "motifs"}
        The data set.
    n : int
        The number of examples.
    seed : int
        Seed of every draw, less than 2³¹. No seed gives an example with which a model of the zoo was trained.
    framework : {"torch", "tensorflow"}
        The framework whose layout to use; it need not be installed.
    shortcut : {"agreeing", "absent", "misleading", "random"}
        Which class the shortcut names: the true one, none because there is no shortcut, another one, or any one with
        equal probability.

    Returns
    -------
    GroundTruth
        The examples and the masks.

    Raises
    ------
    ZooError
        If the name, the framework or the kind of shortcut is unknown.
    OptionError
        If `n` or `seed` is out of range.

    Examples
    --------
    >>> made = ground_truth("shapes", n=12, shortcut="misleading")
    >>> made.x.shape, made.classes[made.y[4]], made.classes[made.shortcut_class[4]]
    ((12, 3, 32, 32), 'ring', 'cross')
    >>> sequences = ground_truth("motifs", n=3)
    >>> [sequences.display.step_names[0][step] for step in np.flatnonzero(sequences.object_mask[0])]
    ['a', 'b', 'c']
    """
    if name not in SETS:
        raise ZooError(one_of("name", name, tuple(SETS), "the ground truths"))
    chosen = checked_framework(framework)
    kind = _checked_shortcut(shortcut)
    if not _is_whole(n) or n < 1:
        raise OptionError(f"n={brief(n)} is out of range: give a whole number of at least 1.")
    if not _is_whole(seed) or not 0 <= seed < FIRST_SEED_OF_MODELS:
        raise OptionError(
            f"seed={brief(seed)} is out of range: give a whole number from 0 to {FIRST_SEED_OF_MODELS - 1:,}."
        )
    made, model_input = draw_set(name, int(n), int(seed), kind), SETS[name].input
    step_names: tuple[tuple[str, ...], ...] = ()
    if name == "motifs":
        step_names = tuple(tuple(VOCABULARY[one] for one in row) for row in made.x)
    return GroundTruth(
        x=_as_input(made.x, model_input, chosen),
        y=made.y,
        classes=SETS[name].classes,
        display=model_input.display(SETS[name].classes, step_names=step_names),
        layout=model_input.layout[chosen],
        object_mask=made.object_mask,
        shortcut_mask=made.shortcut_mask,
        shortcut_class=made.shortcut_class,
        background=_as_input(made.background, model_input, chosen),
    )


def _as_input(x: npt.NDArray[np.uint8], model_input: ModelInput, framework: Framework) -> npt.NDArray[Any]:
    if model_input.layout[framework] == "NT":
        return x.astype(np.int64)
    return model_input.laid_out(standardised(x, 255, model_input.mean, model_input.scale), framework)


def _checked_shortcut(shortcut: str) -> Shortcut:
    for known in SHORTCUTS:
        if shortcut == known:
            return known
    raise ZooError(one_of("shortcut", shortcut, SHORTCUTS, "the kinds of shortcut"))


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
