"""The batches of a training run: shuffled, augmented and scheduled in NumPy, for both frameworks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.zoo.data import Split
from explain.zoo.model_row import Recipe, SeedModel
from explain.zoo.preprocessing import prepare

_WARM_UP = 0.05
_LARGEST_SHIFT = 4


@dataclass(frozen=True, eq=False)
class Batch:
    """One step of training.

    Attributes
    ----------
    x : numpy.ndarray of float32, or of int64 for token ids
        The preprocessed examples, in the layout of the model's native framework.
    y : numpy.ndarray of int64, shape (N,)
        Labels.
    lengths : numpy.ndarray of int64, shape (N,), optional
        For names: the number of real steps of each name.
    learning_rate : float
        The learning rate of this step.
    """

    x: npt.NDArray[Any]
    y: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64] | None
    learning_rate: float


def steps_of(examples: int, recipe: Recipe, epochs: int) -> int:
    """Count the steps of a training run; an incomplete last batch of an epoch is dropped.

    Examples
    --------
    >>> steps_of(300, Recipe(epochs=1, batch_size=128), epochs=2)
    4
    """
    return epochs * max(1, examples // recipe.batch_size)


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Give the learning rate of a step: a short linear warm-up, then half a cosine down to zero.

    Examples
    --------
    >>> recipe = Recipe(epochs=1, learning_rate=1.0)
    >>> [round(learning_rate(recipe, step, 100), 2) for step in (0, 5, 52, 99)]
    [0.2, 1.0, 0.51, 0.0]
    """
    warm_up = max(1, round(_WARM_UP * steps))
    if step < warm_up:
        return recipe.learning_rate * (step + 1) / warm_up
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def training_batches(model: SeedModel, split: Split, epochs: int, seed: int) -> Iterator[Batch]:
    """Yield every batch of a training run; the same seed gives the same batches.

    Parameters
    ----------
    model : SeedModel
        The model to train; its recipe sets batches and learning rates.
    split : Split
        The training set.
    epochs : int
        Passes over the training set.
    seed : int
        Seed of the order and of the augmentation.

    Yields
    ------
    Batch
        One step.
    """
    recipe = model.recipe
    generator = np.random.default_rng(seed)
    steps = steps_of(len(split), recipe, epochs)
    step = 0
    for _ in range(epochs):
        order = generator.permutation(len(split))
        for first in range(0, steps // epochs * recipe.batch_size, recipe.batch_size):
            rows = split.take(order[first : first + recipe.batch_size])
            pictures = augmented(rows.x, generator) if recipe.augmentation else rows.x
            x = prepare(model, pictures, model.native)
            yield Batch(x, rows.y, rows.lengths, learning_rate(recipe, step, steps))
            step += 1


def evaluation_batches(model: SeedModel, split: Split, batch_size: int = 500) -> Iterator[Batch]:
    """Yield the batches of a split once, in order and without augmentation."""
    for first in range(0, len(split), batch_size):
        rows = split.take(np.arange(first, min(first + batch_size, len(split))))
        yield Batch(prepare(model, rows.x, model.native), rows.y, rows.lengths, 0.0)


def augmented(pictures: npt.NDArray[Any], generator: np.random.Generator) -> npt.NDArray[Any]:
    """Mirror half of the pictures and shift each by up to four pixels; repeat the edge pixels.

    Parameters
    ----------
    pictures : numpy.ndarray, shape (N, H, W, C)
        A batch.
    generator : numpy.random.Generator
        Draws the pictures to mirror and the shifts.

    Returns
    -------
    numpy.ndarray, shape (N, H, W, C)
        A changed copy.

    Examples
    --------
    >>> augmented(np.zeros((2, 8, 8, 3), np.uint8), np.random.default_rng(0)).shape
    (2, 8, 8, 3)
    """
    count, height, width, _ = pictures.shape
    mirrored: npt.NDArray[np.bool_] = generator.random((count, 1, 1, 1)) < 0.5
    pictures = np.where(mirrored, pictures[:, :, ::-1], pictures)
    margin = (_LARGEST_SHIFT, _LARGEST_SHIFT)
    padded = np.pad(pictures, ((0, 0), margin, margin, (0, 0)), mode="edge")
    down, right = generator.integers(0, 2 * _LARGEST_SHIFT + 1, size=(2, count))
    rows = down[:, None, None] + np.arange(height)[None, :, None]
    columns = right[:, None, None] + np.arange(width)[None, None, :]
    changed: npt.NDArray[Any] = padded[np.arange(count)[:, None, None], rows, columns]
    return changed
