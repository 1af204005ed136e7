"""The made data sets, and those on which the zoo's models are trained and tested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from explain.zoo.labels import MOTIFS, SHAPES
from explain.zoo.model_input import ModelInput
from explain.zoo.synthetic import motifs, shapes
from explain.zoo.synthetic.drawn import Draw, Drawn, Shortcut, drawn
from explain.zoo.synthetic.inputs import PICTURES, SEQUENCES

# The seeds from here on are those of models, which no public call takes. The first is of their training; the second was
# looked at while data and recipe were chosen, and the test has the third.
FIRST_SEED_OF_MODELS = 2**31
_TEST_SEED = FIRST_SEED_OF_MODELS + 2
TRAINING_EXAMPLES = 30_000
HELD_OUT_EXAMPLES = 2_000


@dataclass(frozen=True)
class MadeSet:
    """A made data set.

    Attributes
    ----------
    draw : callable
        Draws one example.
    classes : tuple of str
        The names of its classes.
    input : ModelInput
        The input that a model takes.
    """

    draw: Draw
    classes: tuple[str, ...]
    input: ModelInput


@dataclass(frozen=True)
class ModelSet:
    """What a model is trained on.

    Attributes
    ----------
    of : {"shapes", "motifs"}
        The made data set.
    shortcut : {"agreeing", "random"}
        The class that the shortcut names.
    """

    of: str
    shortcut: Shortcut


SETS: Mapping[str, MadeSet] = {
    "shapes": MadeSet(shapes.draw, SHAPES, PICTURES),
    "motifs": MadeSet(motifs.draw, MOTIFS, SEQUENCES),
}

SETS_OF_MODELS: Mapping[str, ModelSet] = {
    "shapes_random": ModelSet("shapes", "random"),
    "shapes_agreeing": ModelSet("shapes", "agreeing"),
    "motifs_random": ModelSet("motifs", "random"),
    "motifs_agreeing": ModelSet("motifs", "agreeing"),
}


def draw_set(name: str, count: int, seed: int, shortcut: Shortcut) -> Drawn:
    """Draw examples of a made data set.

    Parameters
    ----------
    name : {"shapes", "motifs"}
        The data set.
    count : int
        The number of examples, N.
    seed : int
        Seed of every draw.
    shortcut : {"agreeing", "absent", "misleading", "random"}
        The class that the shortcut names.

    Returns
    -------
    Drawn
        The examples: pictures (N, 32, 32, 3), or token ids (N, 24).

    Examples
    --------
    >>> draw_set("motifs", 5, FIRST_SEED_OF_MODELS, "random").x.shape
    (5, 24)
    """
    return drawn(SETS[name].draw, count, len(SETS[name].classes), seed, shortcut)


def training_examples(one: ModelSet) -> Drawn:
    """Draw the training set of a model."""
    return draw_set(one.of, TRAINING_EXAMPLES, FIRST_SEED_OF_MODELS, one.shortcut)


def held_out(of: str, shortcut: Shortcut) -> Drawn:
    """Draw the examples on which models of a made data set are tested: the same ones with each kind of shortcut."""
    return draw_set(of, HELD_OUT_EXAMPLES, _TEST_SEED, shortcut)
